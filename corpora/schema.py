"""The audio-visual utterance, and the invariant of all corpus code: `frames * 640 == samples`.

Video consists of grey mouth crops at 25 frames per second. Audio is 16 kHz mono. So every frame has exactly 640 samples.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

FPS = 25
SAMPLE_RATE_HZ = 16_000
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS
MOUTH_SIZE_PX = 96
SPLITS = ("train", "valid", "test")
NO_VIDEO = hashlib.sha256(b"").hexdigest()  # the checksum of the video of a corpus that has none


@dataclass(frozen=True)
class Utterance:
    """A row of the manifest of a prepared corpus. `first_frame` counts frames from the start of the shard."""

    id: str
    speaker: str
    split: str
    text: str
    frames: int
    samples: int
    video_sha256: str
    audio_sha256: str
    shard: int
    first_frame: int

    @property
    def has_video(self) -> bool:
        """True if there are pictures of this utterance. All utterances of a corpus have them, or none."""
        return self.video_sha256 != NO_VIDEO


@dataclass
class Clip:
    """A clip as a reader yields it: video uint8 (T, 96, 96), or (T, 0, 0) without pictures; audio int16 (T * 640,), T >= 1."""

    id: str
    speaker: str
    split: str
    text: str
    video: np.ndarray
    audio: np.ndarray


@dataclass(frozen=True)
class Rejected:
    """A clip that a reader left out, with a reason that tells a person what to do."""

    id: str
    reason: str
    split: str


def sha256(values: np.ndarray) -> str:
    """Return the hex digest of the bytes of an array in C order."""
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()


def problem(clip: Clip) -> str | None:
    """Return the first rule of this schema that a clip breaks, in words; None if it breaks no rule."""
    if clip.split not in SPLITS:
        return f"split must be one of {', '.join(SPLITS)}, got {clip.split!r}"
    if not clip.text.strip():
        return "empty transcript"
    if clip.video.dtype != np.uint8 or clip.video.shape[1:] not in ((MOUTH_SIZE_PX, MOUTH_SIZE_PX), (0, 0)):
        return f"video must be uint8 (T, {MOUTH_SIZE_PX}, {MOUTH_SIZE_PX}), got {clip.video.dtype} {clip.video.shape}"
    if clip.audio.dtype != np.int16 or clip.audio.ndim != 1:
        return f"audio must be int16 (samples,), got {clip.audio.dtype} {clip.audio.shape}"
    if len(clip.video) == 0:
        return "no frames"
    if len(clip.audio) != len(clip.video) * SAMPLES_PER_FRAME:
        return f"{len(clip.video)} frames need {len(clip.video) * SAMPLES_PER_FRAME} samples, got {len(clip.audio)}"
    return None


def no_video(frames: int) -> np.ndarray:
    """Return the video of a clip without pictures, uint8 (frames, 0, 0)."""
    return np.zeros((frames, 0, 0), np.uint8)


def fit_audio(audio: np.ndarray, frames: int) -> np.ndarray:
    """Trim int16 samples, or pad them with zeros, to exactly `frames` frames: (frames * 640,)."""
    samples = frames * SAMPLES_PER_FRAME
    return np.pad(audio[:samples], (0, max(0, samples - len(audio))))
