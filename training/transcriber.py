"""Transcription of single clips by a checkpoint, with the functions that the evaluation of a trial uses.

Models that MLflow serves import `Transcriber` and `from_bytes` from this module; keep these names.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch

from common.errors import UserError
from corpora.clip import Sample as Sample
from corpora.clip import from_bytes as from_bytes
from corpora.clip import sample as sample
from corpora.clip import to_bytes as to_bytes
from corpora.schema import Utterance
from model.smile import Smile
from training import checkpoint
from training.batches import centre_crop, collate
from training.tokenizer import Tokenizer
from training.validation import EVALUATION_BATCH, recognise


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
