"""The tracks of a media file that count, and what its header says of them. PyAV decodes the files with its own ffmpeg.

The track of a kind is the one that the file calls its default, else the first. A cover picture is not a video.

The modules of this package run in the environment of `make mouth` as well: they import NumPy, PyAV and `corpora.schema`, and
nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

LONGEST_S = 60  # of a clip, as in training/transcriber.py: memory of the model grows with the square of the length
ENDS_APART_S = 1.0  # a header rounds, and a last packet may be long
ENDS_EARLY_S = 0.2  # codecs drop a last packet
MOST_PIXELS = 8192 * 4352
# These headers state the length of each track. Matroska states one length of all; for other files ffmpeg estimates it.
STATE_LENGTHS_OF_TRACKS = ("mov", "avi")

T = TypeVar("T", VideoStream, AudioStream)


class Unusable(Exception):
    """A media file that cannot be a clip. The message is the reason, as the list of rejected clips states it."""


@dataclass(frozen=True)
class Tracks:
    """An open file and its default tracks, None where it has no such track. A clip lasts at most `longest_s` seconds."""

    container: InputContainer
    video: VideoStream | None
    audio: AudioStream | None
    longest_s: float = LONGEST_S

    def pictures(self) -> VideoStream:
        """Return the track of pictures. Raises Unusable without one."""
        if self.video is None:
            raise Unusable("it has no pictures")
        _check_known(self.video)
        return self.video

    def sound(self) -> AudioStream:
        """Return the sound track. Raises Unusable without one."""
        if self.audio is None:
            raise Unusable("it has no sound track")
        _check_known(self.audio)
        return self.audio

    def check_end(self, track: AudioStream | VideoStream, start_s: float, end_s: float) -> None:
        """Raises Unusable if a track, decoded from `start_s` until `end_s`, lasts longer by the header: the file was cut off."""
        name, declared_s = self.container.format.name, None
        if name == "avi" and isinstance(track, VideoStream) and track.frames and track.average_rate:
            declared_s = start_s + float(
                track.frames / track.average_rate
            )  # its length is estimated from the size of the file
        elif name.startswith(STATE_LENGTHS_OF_TRACKS) and track.duration is not None and track.time_base is not None:
            declared_s = start_s + float(track.duration * track.time_base)
        elif name.startswith("matroska") and self.container.duration is not None:  # of the track that lasts longest
            declared_s = ((self.container.start_time or 0) + self.container.duration) / av.time_base
            end_s = max(end_s, _last_stamp_s(Path(self.container.name)))
        if declared_s is not None and end_s < declared_s - ENDS_EARLY_S:
            raise Unusable(
                f"it was cut off: its {track.type} lasts until {declared_s:.2f} s by its header, and ends at {end_s:.2f} s"
            )

    def declared_length_s(self) -> float | None:
        """Return the length of the file by its header or, without one, as ffmpeg estimates it."""
        return None if self.container.duration is None else self.container.duration / av.time_base


@contextmanager
def opened(file: Path, longest_s: float = LONGEST_S) -> Iterator[Tracks]:
    """Open a file. Raises Unusable for one that cannot be read, inside the block too."""
    if not file.is_file():  # a pipe would wait for ever, a device would never end
        raise Unusable("file is missing" if not file.exists() else "it is not a file")
    try:
        with av.open(str(file), options={"protocol_whitelist": "file"}) as container:
            videos = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
            yield Tracks(container, _default(videos), _default(list(container.streams.audio)), longest_s)
    except Unusable:
        raise
    except Exception as error:  # whatever a decoder says of one file must not end the others
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise Unusable(f"cannot be decoded: {reason or type(error).__name__}") from error


def check_header(tracks: Tracks, pictures: bool = True) -> None:
    """Check what is known before anything is decoded. Raises Unusable for a clip that is too long or too large.

    Without `pictures`, a file needs none.
    """
    length_s = tracks.declared_length_s()
    if length_s is not None and length_s > tracks.longest_s + ENDS_APART_S:
        raise Unusable(f"it lasts {length_s:.0f} s by its header; a clip lasts at most {tracks.longest_s:g} s")
    if not pictures:
        return
    video = tracks.pictures()
    if video.width * video.height > MOST_PIXELS:
        raise Unusable(f"its pictures have {video.width} x {video.height} pixels; at most {MOST_PIXELS} are read")


def _check_known(track: AudioStream | VideoStream) -> None:
    if track.codec_context is None:
        raise Unusable(f"the format of its {track.type} is unknown")


def _last_stamp_s(file: Path) -> float:
    """Return the last time stamp of any track, without decoding anything."""
    with av.open(str(file)) as container:
        stamps = [float(packet.pts * packet.time_base) for packet in container.demux() if packet.pts is not None]
    return max(stamps, default=0.0)


def _default(tracks: list[T]) -> T | None:
    return next((track for track in tracks if track.disposition & Disposition.default), tracks[0] if tracks else None)
