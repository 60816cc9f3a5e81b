"""Sound of media files, decoded with the ffmpeg that PyAV carries."""

from pathlib import Path

import av
import numpy as np

from corpora.schema import SAMPLE_RATE_HZ


def decode_audio(file: Path) -> np.ndarray:
    """The first audio stream as int16 mono at 16 kHz, (samples,). Raises av.error.FFmpegError on a broken file."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)
    parts: list[np.ndarray] = []
    with av.open(str(file)) as container:
        for frame in container.decode(audio=0):
            parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
    parts += [out.to_ndarray()[0] for out in resampler.resample(None)]  # what the filter still holds
    return np.concatenate(parts) if parts else np.zeros(0, np.int16)
