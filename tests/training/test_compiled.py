"""A training with its encoder compiled is the training without, but for rounding; and one batch's shape is as good as another's."""

from pathlib import Path
from typing import Any

import pytest

from ablation.errors import UserError
from model.config import CATALOGUE
from training.loop import train_trial

SMALL: dict[str, Any] = {
    "decoder.units": "word",
    "encoder.architecture": "transformer",
    "encoder.position_kernel": 8,
    "encoder.layers": 2,
    "encoder.width": 32,
    "encoder.feedforward": 64,
    "siamese": "none",
    "fusion.tokens": "audio_only",
    "training.frames_per_batch": 100,
    "training.steps": 20,
    "training.learning_rate": 1e-3,
}
# What torch does with itself to compile would be an error here otherwise.
pytestmark = pytest.mark.filterwarnings("default")


def train(corpus: Path, out: Path, states: Path | None = None, stop: int = 0, **overrides: Any) -> list[float]:
    """The losses that were logged; `stop` ends the training behind that step as SIGTERM would."""
    losses: dict[int, float] = {}

    def log(step: int, metrics: dict[str, float]) -> None:
        losses.update({step: metrics["loss"]} if "loss" in metrics else {})
        if stop and step >= stop:
            raise KeyboardInterrupt

    settings = CATALOGUE.resolve("tiny", SMALL | overrides)
    train_trial(settings, 1, corpus, out, threads=1, log=log, states=states, save_every_s=0)
    return list(losses.values())


def test_without_a_compiler_the_remedy_is_named(beeps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match=r"there is no no-such-compiler; install one, or set training\.compile: false"):
        train(beeps, tmp_path, **{"training.compile": True})
