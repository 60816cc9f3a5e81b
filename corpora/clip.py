"""Single clips, which a checkpoint transcribes: their check, and their form as bytes.

A clip is a pair of bytes, which can be sent over HTTP: `audio` has int16 little-endian samples, 16 kHz mono; `video` has uint8 grey
mouth crops of 96 x 96 px at 25 frames per second, in the order of time.
"""

from dataclasses import dataclass

import numpy as np

from common.errors import UserError
from corpora.noise import FULL_SCALE, noisy
from corpora.schema import FPS, MOUTH_SIZE_PX, SAMPLES_PER_FRAME, fit_audio

FRAME_BYTES = MOUTH_SIZE_PX * MOUTH_SIZE_PX
LONGEST_S = 60  # memory grows with the square of the length
MOST_APART = (
    0.2  # largest difference of audio and video length, as a fraction of the video; containers often differ by frames
)


@dataclass(frozen=True)
class Sample:
    """Float audio (T * 640,), full scale 1, and uint8 video (T, 96, 96)."""

    audio: np.ndarray
    video: np.ndarray


def sample(audio: np.ndarray, video: np.ndarray) -> Sample:
    """Check int16 audio and uint8 video, and fit the audio length to the video as in prepared corpora. Raises UserError."""
    frames = len(video)
    if frames == 0:
        raise UserError("a clip needs at least one video frame, and this clip has none; give a longer clip")
    if frames > LONGEST_S * FPS:
        raise UserError(
            f"a clip may last at most {LONGEST_S} s, and this clip lasts {frames / FPS:g} s; cut it into pieces"
        )
    if len(audio) == 0:
        raise UserError("a clip needs a sound track, and this clip has no audio samples; give a clip with sound")
    samples = frames * SAMPLES_PER_FRAME
    if abs(len(audio) - samples) > max(MOST_APART * samples, SAMPLES_PER_FRAME):
        raise UserError(
            f"{frames} frames have {samples} samples of sound (16 kHz, 25 frames a second), and this clip has {len(audio)}; "
            "resample the sound, or cut sound and video to the same length"
        )
    fitted = fit_audio(audio, frames)
    return Sample(noisy(fitted, fitted, None), video)


def from_bytes(audio: bytes, video: bytes) -> Sample:
    """Return the sample in a pair of bytes. Raises UserError if they are not a whole number of samples or frames."""
    if len(audio) % 2:
        raise UserError(
            f"audio is int16, 2 bytes per sample, and {len(audio)} bytes are not a whole number of samples; send all of them"
        )
    if len(video) % FRAME_BYTES:
        raise UserError(
            f"video is uint8, {MOUTH_SIZE_PX} x {MOUTH_SIZE_PX} bytes per frame, and {len(video)} bytes are not a whole number "
            "of frames; send all of them"
        )
    pixels = np.frombuffer(video, np.uint8).reshape(-1, MOUTH_SIZE_PX, MOUTH_SIZE_PX)
    return sample(np.frombuffer(audio, "<i2"), pixels)


def to_bytes(clip: Sample) -> tuple[bytes, bytes]:
    """Return audio and video for `from_bytes`. Clean audio is exact; noisy audio is rounded to int16."""
    samples = np.clip(np.round(clip.audio * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    return samples.astype("<i2").tobytes(), np.ascontiguousarray(clip.video).tobytes()
