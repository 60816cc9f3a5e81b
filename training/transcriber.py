"""Transcription of single clips by a checkpoint, with the functions that the evaluation of a trial uses.

A clip is a pair of bytes, which can be sent over HTTP: `audio` has int16 little-endian samples, 16 kHz mono; `video` has uint8 grey
mouth crops of 96 x 96 px at 25 frames per second, in the order of time.

Models that MLflow serves import `Transcriber` and `from_bytes` from this module; keep these names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch

from common.errors import UserError
from corpora.noise import FULL_SCALE, noisy
from corpora.schema import FPS, MOUTH_SIZE_PX, SAMPLES_PER_FRAME, Utterance, fit_audio
from model.smile import Smile
from training import checkpoint
from training.batches import centre_crop, collate
from training.tokenizer import Tokenizer
from training.validation import EVALUATION_BATCH, recognise

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


class Transcriber:
    """A checkpoint in memory, on a GPU if there is one."""

    def __init__(self, model: Smile, tokenizer: Tokenizer) -> None:
        self.model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load a checkpoint. Raises UserError if the folder holds none, or one that is damaged or that this version cannot read."""
        try:
            return cls(*checkpoint.load(folder))
        except UserError:
            raise
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise UserError(
                f"a checkpoint can be read by the version that wrote it and by later ones, and in {folder} {_why(error)}; "
                "use that version of ablate (the tag git_revision of a registered version names it), or train again"
            ) from error

    def __call__(self, samples: Sequence[Sample]) -> list[str]:
        """Return the texts, in the order of the samples."""
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
        return recognise(self.model, collate(utterances, [each.audio for each in samples], video), self.tokenizer)


def _unnamed(clip: Sample) -> Utterance:
    return Utterance("", "", "test", "", len(clip.video), len(clip.audio), "", "", 0, 0)


def _why(error: Exception) -> str:
    """Return the reason in one line; for a pydantic error, the first problem with its location."""
    if errors := getattr(error, "errors", None):
        first = errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
