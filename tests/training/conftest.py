"""A corpus that a tiny model learns in seconds: every word is a tone and a brightness."""

from pathlib import Path

import numpy as np
import pytest
import torch

from corpora.schema import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Clip
from corpora.store import CorpusWriter

WORDS = ("low", "middle", "high")
FRAMES_PER_WORD = 5


def beep(number: int, split: str) -> Clip:
    draw = np.random.default_rng([number, len(split)])
    words = draw.integers(len(WORDS), size=draw.integers(2, 5))
    frames = len(words) * FRAMES_PER_WORD
    pitch_hz = np.repeat(300.0 * 2**words, FRAMES_PER_WORD * SAMPLES_PER_FRAME)
    within = np.arange(frames * SAMPLES_PER_FRAME) % (FRAMES_PER_WORD * SAMPLES_PER_FRAME)
    tone = np.sin(2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ) * (within < 4 * SAMPLES_PER_FRAME)
    light = np.repeat(60 + 60 * words, FRAMES_PER_WORD)[:, None, None] + draw.normal(0, 10, (frames, 96, 96))
    return Clip(
        id=f"{split}-{number}",
        speaker=split,
        split=split,
        text=" ".join(WORDS[word] for word in words),
        video=light.clip(0, 255).astype(np.uint8),
        audio=(tone * 6000 + draw.normal(0, 50, len(tone))).astype(np.int16),
    )


@pytest.fixture(scope="session")
def beeps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpora") / "beeps"
    with CorpusWriter(path, "beeps://") as writer:
        for split, count in (("train", 60), ("valid", 8), ("test", 20)):
            for number in range(count):
                writer.add(beep(number, split))
    return path


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
