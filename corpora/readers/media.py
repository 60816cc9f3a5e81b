"""Sound and soundness of media files, decoded with the ffmpeg that PyAV carries."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from corpora.schema import FPS, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

GREY_BELOW = 0.5  # a frame with less than this share of the clip's usual contrast was not decoded whole
EVERY_NTH_PIXEL = 4  # contrast needs no more
LEAST_SOUND = 0.8  # as a share of the video's length; MP2 and MPEG-1 streams end a few frames apart


@dataclass(frozen=True)
class Video:
    """What can be told of a video without understanding its pictures. `grey` counts frames that are not whole."""

    frames: int
    grey: int
    frames_per_second: float


def decode_audio(file: Path) -> np.ndarray:
    """The first audio stream as int16 mono at 16 kHz, (samples,). Raises av.error.FFmpegError on a broken file."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
    parts: list[np.ndarray] = []
    with av.open(str(file)) as container:
        for frame in container.decode(audio=0):
            parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
    parts += [out.to_ndarray()[0] for out in resampler.resample(None)]  # what the filter still holds
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def frame_rate(file: Path) -> float:
    """Frames a second of the first video stream, by its time stamps. Raises as `inspect_video` does.

    Not the mean rate: that is off where a container gives the last frame no length.
    """
    with av.open(str(file)) as container:
        return float(container.streams.video[0].guessed_rate or 0)


def inspect_video(file: Path) -> Video:
    """Decode the first video stream to its end. Raises av.error.FFmpegError, or IndexError where there is none.

    A group of pictures whose first frame is lost decodes without an error, as grey that fills in little by little:
    only the contrast of the brightness (not of the colours, which come back sooner) gives it away.
    """
    with av.open(str(file)) as container:
        rate = float(container.streams.video[0].average_rate or 0)
        contrast = [_contrast(frame) for frame in container.decode(video=0)]  # to the end: this flushes the decoder
    grey = int((np.array(contrast) < GREY_BELOW * np.median(contrast)).sum()) if contrast else 0
    return Video(len(contrast), grey, rate)


def _contrast(frame: av.VideoFrame) -> float:
    return float(frame.to_ndarray(format="gray")[::EVERY_NTH_PIXEL, ::EVERY_NTH_PIXEL].std())


def damage(file: Path, frames: int) -> str | None:
    """Why a clip that should have `frames` frames and sound for them is of no use; None if it is sound."""
    try:
        video = inspect_video(file)
        audio = decode_audio(file)
    except (av.error.FFmpegError, IndexError) as error:
        return f"cannot be decoded: {error}"
    if video.frames != frames:
        return f"{video.frames} frames; {frames} wanted"
    if video.grey:
        return f"{video.grey} of {frames} frames are grey (damaged video)"
    if video.frames_per_second != FPS:
        return f"{video.frames_per_second:g} frames a second; {FPS} wanted"
    return sound_damage(audio, frames)


def sound_damage(audio: np.ndarray, frames: int) -> str | None:
    """Why the samples (n,) are no sound for `frames` frames; None if they are."""
    samples = frames * SAMPLES_PER_FRAME
    if len(audio) < LEAST_SOUND * samples:
        return f"sound ends after {len(audio)} of {samples} samples"
    return None if np.any(audio) else "sound is silence"
