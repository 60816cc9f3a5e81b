"""Transcription of a split by a checkpoint, clean and in every noise. Scoring is elsewhere (`ablation.stats.scoring`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from common.conditions import Condition, conditions
from corpora.noise import NoiseBank, noisy, offset
from corpora.schema import Utterance
from corpora.store import Corpus
from model.smile import Smile
from training import checkpoint
from training.batches import by_length, centre_crop, collate
from training.tokenizer import Tokenizer
from training.validation import EVALUATION_BATCH, recognise


def transcribe(
    folder: Path,
    corpus: Path,
    noises: Mapping[str, Sequence[float]],
    *,
    threads: int,
    noise: Mapping[str, str] | None = None,
    split: str = "test",
) -> pd.DataFrame:
    """Return the columns condition, utterance_id, speaker, reference and hypothesis.

    Clean comes first, then `noises` (kind -> SNRs in dB). `folder` holds the checkpoint. `noise` maps a kind to recordings that
    replace the noise of the corpus.
    """
    torch.set_num_threads(threads)
    model, tokenizer = checkpoint.load(folder)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    data = Corpus.open(corpus)
    banks = noise_banks(data, noises, noise or {})
    tables = [
        _transcribe_batch(model, tokenizer, data, utterances, condition, banks)
        for condition in conditions(noises)
        for utterances in by_length(data.utterances(split), EVALUATION_BATCH)
    ]
    return pd.concat(tables, ignore_index=True)


def noise_banks(
    data: Corpus, noises: Mapping[str, Sequence[float]], recordings: Mapping[str, str]
) -> dict[str, NoiseBank]:
    """Return the sources of test noise by kind."""
    return {kind: NoiseBank.from_corpus(data, kind, recordings.get(kind), "test") for kind in noises}


def _transcribe_batch(
    model: Smile,
    tokenizer: Tokenizer,
    data: Corpus,
    utterances: Sequence[Utterance],
    condition: Condition,
    banks: Mapping[str, NoiseBank],
) -> pd.DataFrame:
    audio = [_sound(data, utterance, condition, banks) for utterance in utterances]
    batch = collate(utterances, audio, [centre_crop(data.video(utterance)) for utterance in utterances])
    return pd.DataFrame(
        {
            "condition": condition.name,
            "utterance_id": [utterance.id for utterance in utterances],
            "speaker": [utterance.speaker for utterance in utterances],
            "reference": [utterance.text for utterance in utterances],
            "hypothesis": recognise(model, batch, tokenizer),
        }
    )


def _sound(data: Corpus, utterance: Utterance, condition: Condition, banks: Mapping[str, NoiseBank]) -> np.ndarray:
    audio = data.audio(utterance)
    if condition.kind is None:
        return noisy(audio, audio, None)
    bank = banks[condition.kind]
    return noisy(audio, bank.at(offset(utterance, condition.kind, bank), utterance.samples), condition.snr_db)
