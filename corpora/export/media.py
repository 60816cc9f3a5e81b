"""Files of sound and video. Sound is 16 kHz mono WAV; video is 25 grey frames per second, without loss."""

from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
from scipy.io import wavfile

from corpora.schema import FPS, SAMPLE_RATE_HZ

FULL_SCALE, LOUDEST = 32768.0, 32767
ALL_GREYS = av.video.reformatter.ColorRange.JPEG  # 0 to 255; a decoder takes 16 to 235 for the whole range otherwise


def write_wav(path: Path, samples: np.ndarray, bits: int = 32) -> int:
    """Write int16 samples, or float32 ones of full scale 1 as they are, or rounded to 16 bits. Return how many were clipped."""
    clipped = 0
    if samples.dtype != np.int16 and bits == 16:
        scaled = np.rint(samples.astype(np.float64) * FULL_SCALE)
        clipped = int(np.count_nonzero((scaled > LOUDEST) | (scaled < -FULL_SCALE)))
        samples = np.clip(scaled, -FULL_SCALE, LOUDEST).astype(np.int16)
    wavfile.write(path, SAMPLE_RATE_HZ, np.ascontiguousarray(samples))
    return clipped


def write_npy(path: Path, frames: np.ndarray) -> None:
    """Write frames (T, 96, 96) of uint8 as an array."""
    np.save(path, frames)


def write_mp4(path: Path, frames: np.ndarray) -> None:
    """Write frames (T, 96, 96) of uint8 as H.264 without loss of grey values."""
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"qp": "0", "preset": "veryfast"})
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "gray"
        stream.codec_context.color_range = ALL_GREYS
        stream.codec_context.thread_count = 1  # more would make the bytes depend on the machine
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
            frame.color_range = ALL_GREYS
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


VIDEO: Mapping[str, Callable[[Path, np.ndarray], None]] = {"mp4": write_mp4, "npy": write_npy}
