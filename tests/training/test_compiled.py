"""A training with its encoder compiled is the training without, but for rounding; and one batch's shape is as good as another's."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo.utils import counters

from common.errors import UserError
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
    "training.max_frames_per_batch": 100,
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


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++")
def test_a_compiled_training_is_the_same_for_batches_of_all_shapes_and_goes_on_after_an_end(
    beeps: Path, tmp_path: Path
) -> None:
    plain = train(beeps, tmp_path / "plain")
    counters.clear()
    compiled = {"training.compile": True, "encoder.dropout": 0.0}
    whole = train(beeps, tmp_path / "whole", **compiled)
    assert whole == pytest.approx(plain, rel=1e-4)
    graphs = counters["stats"]["unique_graphs"]
    assert 0 < graphs <= 6, (
        "both halves of a layer around its attention; to train, to recognise, and for a single utterance"
    )
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "whole"))
    assert first.keys() == second.keys()
    with pytest.raises(KeyboardInterrupt):
        train(beeps, tmp_path / "resumed", tmp_path / "states", stop=10, **compiled)
    assert train(beeps, tmp_path / "resumed", tmp_path / "states", **compiled) == whole
    resumed = load_file(tmp_path / "resumed" / "model.safetensors")
    assert all(torch.equal(value, resumed[name]) for name, value in second.items())


def test_without_a_compiler_the_remedy_is_named(beeps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UserError, match=r"there is no no-such-compiler; install one, or set training\.compile: false"):
        train(beeps, tmp_path, **{"training.compile": True})
