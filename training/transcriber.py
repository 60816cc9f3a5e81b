"""A checkpoint that transcribes any clip, by the very functions that a trial's evaluation runs.

A clip is a pair of bytes, as it crosses HTTP, too: `audio` int16 little-endian samples, 16 kHz mono, and `video` uint8 grey mouth
crops of 96 x 96 px at 25 frames a second, one frame after the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors import SafetensorError

from common.errors import UserError
from corpora.noise import FULL_SCALE, noisy
from corpora.schema import FPS, MOUTH_SIZE_PX, SAMPLES_PER_FRAME, Utterance, fit_audio
from model.smile import Smile
from training import checkpoint
from training.batches import centre_crop, collate
from training.units import Units
from training.validation import EVALUATION_BATCH, recognise

FRAME_BYTES = MOUTH_SIZE_PX * MOUTH_SIZE_PX
LONGEST_S = 60  # memory grows with the square of the length
MOST_APART = 0.2  # of sound and picture, as a share of the picture; containers end them a few frames apart


@dataclass(frozen=True)
class Sample:
    """Float audio (T * 640,), full scale 1, and uint8 video (T, 96, 96)."""

    audio: np.ndarray
    video: np.ndarray


def sample(audio: np.ndarray, video: np.ndarray) -> Sample:
    """Check int16 audio and uint8 video, and fit the audio to the video as prepared corpora do. Raises UserError."""
    frames = len(video)
    if frames == 0:
        raise UserError("a clip to transcribe has at least one frame, and this one has none; give a longer one")
    if frames > LONGEST_S * FPS:
        raise UserError(f"a clip has at most {LONGEST_S} s, and this one has {frames / FPS:g} s; cut it into pieces")
    if len(audio) == 0:
        raise UserError("a clip has a sound track, and this one has no sample of it; give one with sound")
    samples = frames * SAMPLES_PER_FRAME
    if abs(len(audio) - samples) > max(MOST_APART * samples, SAMPLES_PER_FRAME):
        raise UserError(
            f"{frames} frames have {samples} samples of sound (16 kHz, 25 frames a second), and this clip has {len(audio)}; "
            "resample it, or cut sound and picture to one length"
        )
    fitted = fit_audio(audio, frames)
    return Sample(noisy(fitted, fitted, None), video)


def from_bytes(audio: bytes, video: bytes) -> Sample:
    """The sample in a pair of bytes. Raises UserError for what is no whole number of samples or frames."""
    if len(audio) % 2:
        raise UserError(f"audio is int16, two bytes a sample, and {len(audio)} bytes are no whole number of them")
    if len(video) % FRAME_BYTES:
        raise UserError(
            f"video is uint8, {MOUTH_SIZE_PX} x {MOUTH_SIZE_PX} bytes a frame, and {len(video)} bytes are no whole number of them"
        )
    pixels = np.frombuffer(video, np.uint8).reshape(-1, MOUTH_SIZE_PX, MOUTH_SIZE_PX)
    return sample(np.frombuffer(audio, "<i2"), pixels)


def to_bytes(clip: Sample) -> tuple[bytes, bytes]:
    """The audio and video that `from_bytes` takes; of clean audio to the bit, of noisy audio rounded to int16."""
    samples = np.clip(np.round(clip.audio * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1)
    return samples.astype("<i2").tobytes(), np.ascontiguousarray(clip.video).tobytes()


class Transcriber:
    """A checkpoint in memory, on a GPU if there is one."""

    def __init__(self, model: Smile, units: Units) -> None:
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.units = units

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises UserError where the folder holds no checkpoint, or one that this version cannot read."""
        try:
            return cls(*checkpoint.load(folder))
        except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise UserError(
                f"a checkpoint is read by the version that wrote it or a later one, and in {folder} {_why(error)}; "
                "use that version of ablate (a registered version's tag git_revision names it), or train anew"
            ) from error

    def __call__(self, samples: Sequence[Sample]) -> list[str]:
        """The texts, in the order of the samples."""
        order = sorted(range(len(samples)), key=lambda place: len(samples[place].video))
        texts = [""] * len(samples)
        for start in range(0, len(order), EVALUATION_BATCH):
            places = order[start : start + EVALUATION_BATCH]
            for place, text in zip(places, self._batch([samples[place] for place in places]), strict=True):
                texts[place] = text
        return texts

    def _batch(self, samples: Sequence[Sample]) -> list[str]:
        utterances = [_unnamed(each) for each in samples]
        video = [centre_crop(each.video) for each in samples]
        return recognise(self.model, collate(utterances, [each.audio for each in samples], video), self.units)


def _unnamed(clip: Sample) -> Utterance:
    return Utterance("", "", "test", "", len(clip.video), len(clip.audio), "", "", 0, 0)


def _why(error: Exception) -> str:
    """What is wrong with a checkpoint, in a line: of pydantic's complaints the first, with its place."""
    if errors := getattr(error, "errors", None):
        first = errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
