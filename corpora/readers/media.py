"""Sound of media files, and checks for damage. PyAV decodes the files with its own ffmpeg."""

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from corpora.schema import FPS, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME

GREY_BELOW = 0.5  # a frame with less than this share of the clip's median contrast was not fully decoded
EVERY_NTH_PIXEL = 4  # enough to measure contrast
LEAST_SOUND = 0.8  # as a share of the video's length, because MP2 and MPEG-1 streams end a few frames apart


@dataclass(frozen=True)
class Video:
    """Measures of a video that need no analysis of its content. `grey` counts frames that were not fully decoded."""

    frames: int
    grey: int
    frames_per_second: float


def decode_audio(file: Path) -> np.ndarray:
    """Return the first audio stream as int16 mono at 16 kHz, (samples,). Raises av.error.FFmpegError on a broken file."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
    parts: list[np.ndarray] = []
    with av.open(str(file)) as container:
        for frame in container.decode(audio=0):
            parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
    parts += [out.to_ndarray()[0] for out in resampler.resample(None)]  # samples still in the filter
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)


def frame_rate(file: Path) -> float:
    """Return the frames per second of the first video stream, from its time stamps. Raises as `inspect_video` does.

    This is not the mean rate, which is wrong if the container has no duration for the last frame.
    """
    with av.open(str(file)) as container:
        return float(container.streams.video[0].guessed_rate or 0)


def inspect_video(file: Path) -> Video:
    """Decode the first video stream to its end. Raises av.error.FFmpegError, or IndexError without a video stream.

    A group of pictures whose first frame is lost decodes without an error: the frames are grey and fill in gradually. Only the
    contrast of the brightness shows this. The colours return sooner.
    """
    with av.open(str(file)) as container:
        rate = float(container.streams.video[0].average_rate or 0)
        contrast = [_contrast(frame) for frame in container.decode(video=0)]  # to the end, which flushes the decoder
    grey = int((np.array(contrast) < GREY_BELOW * np.median(contrast)).sum()) if contrast else 0
    return Video(len(contrast), grey, rate)


def _contrast(frame: av.VideoFrame) -> float:
    return float(frame.to_ndarray(format="gray")[::EVERY_NTH_PIXEL, ::EVERY_NTH_PIXEL].std())


def damage(file: Path, frames: int) -> str | None:
    """Return why a clip, which should have `frames` frames and sound for them, is unusable; None if it is intact."""
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
    """Return why the samples (n,) cannot be the sound of `frames` frames; None if they can."""
    samples = frames * SAMPLES_PER_FRAME
    if len(audio) < LEAST_SOUND * samples:
        return f"sound ends after {len(audio)} of {samples} samples"
    return None if np.any(audio) else "sound is silence"
