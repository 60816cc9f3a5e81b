"""The pictures of a file with their time stamps, one at a time, upright and with square pixels, as a player shows them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.sidedata.sidedata import SideData, Type
from av.video.stream import VideoStream

from corpora.media.tracks import ENDS_APART_S, LONGEST_S, Tracks, Unusable, check_header, opened
from corpora.schema import FPS

MOST_BACK = 1.5  # steps
MOST_STRETCHED = 4  # a pixel that is wider or higher than this is a mistake in the header
GREY_BELOW = 0.5  # a frame with less than this share of the clip's median contrast was not fully decoded
EVERY_NTH_PIXEL = 4  # enough to measure contrast


@dataclass(frozen=True)
class Picture:
    """A picture that is shown from `time_s` on, in seconds on the time line of the file. `lasts_s` is 0 if unknown."""

    time_s: float
    lasts_s: float
    frame: av.VideoFrame


@dataclass(frozen=True)
class Survey:
    """Findings of a pass over all pictures. `stamps_s` (n,) increase; `contrast` (n,) is the spread of the brightness.

    `step_s` is the usual time between two pictures, and `end_s` the time at which the last one ends.
    """

    stamps_s: np.ndarray
    contrast: np.ndarray
    step_s: float
    end_s: float

    @property
    def frames_per_second(self) -> float:
        """The usual number of pictures a second. Pictures that are missing do not count."""
        return 1 / self.step_s

    def grey(self) -> int:
        """Return the number of pictures that were not fully decoded.

        A group of pictures whose first one is lost decodes without an error: they are grey and fill in gradually. Only the contrast
        of the brightness shows this. The colours return sooner.
        """
        return int((self.contrast < GREY_BELOW * np.median(self.contrast)).sum())


def survey(file: Path, *, contrast: bool = False, longest_s: float = LONGEST_S) -> Survey:
    """Decode all pictures of a file; measure their contrast, if asked for. Raises Unusable."""
    stamps, lasts, spreads = list[float](), 0.0, list[float]()
    with opened(file, longest_s) as tracks:
        check_header(tracks)
        rate = tracks.pictures().guessed_rate
        for picture in pictures(tracks):
            stamps.append(picture.time_s)
            lasts = picture.lasts_s
            spreads.append(_contrast(picture.frame) if contrast else 0.0)
        if not stamps:
            raise Unusable("it has no pictures")
        step = usual_step(np.diff(stamps)) if len(stamps) > 2 else float(1 / rate) if rate else 1 / FPS
        end = stamps[-1] + (min(lasts, step) or step)
        tracks.check_end(tracks.pictures(), stamps[0], end)
    return Survey(np.array(stamps), np.array(spreads), step, end)


def usual_step(steps: np.ndarray) -> float:
    """Return the time between two pictures, in seconds, from steps (n,) that a container rounds and some of which are holes."""
    median = np.median(steps)
    return float(steps[np.abs(steps - median) < median / 2].mean())


def pictures(tracks: Tracks) -> Iterator[Picture]:
    """Yield the pictures in the order in which they are shown. A stream without time stamps has its pictures at equal distances.

    Raises Unusable where the stamps run back, where the size changes, and where the clip gets too long.
    """
    track, size, first, last = tracks.pictures(), None, None, None
    step = float(1 / track.guessed_rate) if track.guessed_rate else 1 / FPS
    for frame, stamped in _decoded(tracks, track):
        stamp = stamped if stamped is not None else 0.0 if last is None else last + step
        if last is not None and stamp <= last:
            if stamp < last - MOST_BACK * step:
                raise Unusable(f"the time stamps of its pictures run back, from {last:.2f} to {stamp:.2f} s")
            stamp = last + step  # MPEG states the times of some pictures only, and two may get the same
        if size not in (None, (frame.width, frame.height)):
            raise Unusable(f"its pictures change their size at {stamp:.2f} s")
        size, last = (frame.width, frame.height), stamp
        first = stamp if first is None else first
        if stamp - first > tracks.longest_s + ENDS_APART_S:
            raise Unusable(f"it goes on after {tracks.longest_s:g} s; a clip lasts at most that")
        base = frame.time_base
        yield Picture(stamp, float(frame.duration * base) if frame.duration and base is not None else 0.0, frame)


def _decoded(tracks: Tracks, track: VideoStream) -> Iterator[tuple[av.VideoFrame, float | None]]:
    """Yield frames and their times in seconds, None where the file has none.

    AVI says when a packet is decoded, not when its picture is shown. There the nth picture has the nth of these times.
    """
    if tracks.container.format.name != "avi":
        for frame in tracks.container.decode(track):
            yield frame, frame.time
        return
    times = deque[float]()
    for packet in tracks.container.demux(track):
        if packet.size and packet.dts is not None:
            times.append(float(packet.dts * packet.time_base))
        for frame in packet.decode():
            yield frame, times.popleft() if times else frame.time


@dataclass(frozen=True, eq=False)
class Upright:
    """The pictures of a track as a player shows them. A call turns a frame into its pixels, RGB uint8 (H, W, 3).

    `matrix` is the display matrix (2, 2) of -1, 0 and 1; None to leave the picture as it is.
    """

    pixel_aspect: Fraction
    matrix: np.ndarray | None

    @classmethod
    def of(cls, tracks: Tracks, first: av.VideoFrame) -> "Upright":
        """Read the shape of the pixels from the header, and the display matrix from the first frame.

        Raises Unusable for an impossible shape, and for pictures that are turned by other than a multiple of 90 degrees. A frame
        and its side data refer to each other, so that to look at all of them would keep many in memory.
        """
        aspect = tracks.pictures().sample_aspect_ratio or Fraction(1)
        if not Fraction(1, MOST_STRETCHED) <= aspect <= MOST_STRETCHED:
            raise Unusable(f"its header says that a pixel is {aspect} times as wide as high")
        data: SideData | None = first.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload]  # PyAV says str
        return cls(aspect, None if data is None else _signs(bytes(data)))

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        width, height = frame.width, frame.height
        if self.pixel_aspect > 1:
            width = round(width * self.pixel_aspect)
        elif self.pixel_aspect < 1:
            height = round(height / self.pixel_aspect)
        pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
        return pixels if self.matrix is None else np.ascontiguousarray(turned(pixels, self.matrix))


def turned(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Show pixels (H, W, ...) as a display matrix [[a, b], [c, d]] of -1, 0 and 1 says: (x, y) goes to (ax + cy, bx + dy)."""
    (a, b), (c, d) = matrix
    if a == 0:  # the axes change places: the old x becomes b y, the old y becomes c x
        pixels, horizontal, vertical = pixels.swapaxes(0, 1), c, b
    else:
        horizontal, vertical = a, d
    return pixels[:: int(vertical), :: int(horizontal)]


def _signs(data: bytes) -> np.ndarray:
    """Return the rotation and mirroring of a display matrix, nine 32-bit numbers, without its scale: (2, 2) of -1, 0 and 1."""
    numbers = np.frombuffer(data[:36], np.int32).astype(float)
    matrix = np.array([[numbers[0], numbers[1]], [numbers[3], numbers[4]]])
    signs = np.round(matrix / max(np.abs(matrix).max(), 1))
    if not np.array_equal(np.abs(signs).sum(0), [1, 1]) or not np.array_equal(np.abs(signs).sum(1), [1, 1]):
        raise Unusable("its pictures are turned by an angle that is not a multiple of 90 degrees")
    return signs


def _contrast(frame: av.VideoFrame) -> float:
    return float(frame.to_ndarray(format="gray")[::EVERY_NTH_PIXEL, ::EVERY_NTH_PIXEL].std())
