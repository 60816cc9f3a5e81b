"""Fixtures that several rooms use: a prepared corpus that a tiny model learns in seconds, and a store of its own."""

import os
from pathlib import Path

import numpy as np
import pytest

from corpora.schema import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Clip
from corpora.store import CorpusWriter

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

# Warnings are errors (pyproject.toml) but for these, which mlflow and kfp give about themselves.
FOREIGN_WARNINGS = ("ignore:The ``noload`` loader strategy is deprecated",)

WORDS = ("do", "mi", "so")
FRAMES_PER_WORD = 5


def pytest_configure(config: pytest.Config) -> None:
    for line in FOREIGN_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


def _clip(number: int, split: str) -> Clip:
    """Two to four words; a word is a pitch in the sound and a brightness in the picture."""
    draw = np.random.default_rng([number, len(split)])
    words = draw.integers(len(WORDS), size=draw.integers(2, 5))
    pitch_hz = np.repeat(300.0 * 2**words, FRAMES_PER_WORD * SAMPLES_PER_FRAME)
    tone = np.sin(2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ)
    light = np.repeat(60 + 60 * words, FRAMES_PER_WORD)[:, None, None] + draw.normal(0, 10, (len(words) * 5, 96, 96))
    return Clip(
        id=f"{split}-{number}",
        speaker=split,
        split=split,
        text=" ".join(WORDS[word] for word in words),
        video=light.clip(0, 255).astype(np.uint8),
        audio=(tone * 6000 + draw.normal(0, 50, len(tone))).astype(np.int16),
    )


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared corpus: 40 utterances to train on, 4 to validate, 8 to test."""
    path = tmp_path_factory.mktemp("corpora") / "small"
    with CorpusWriter(path, "small://") as writer:
        for split, count in (("train", 40), ("valid", 4), ("test", 8)):
            for number in range(count):
                writer.add(_clip(number, split))
    return path


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The address of an MLflow store that nobody has used."""
    return f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"
