"""The large presets and what docs/training.md suggests for them: they are sound, and `base` takes steps."""

import math
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ablation.plan.arms import expand
from ablation.plan.plan import read_plan
from model.config import CATALOGUE, load
from training.loop import train_trial

DOCUMENT = Path(__file__).parents[2] / "docs" / "training.md"


def test_the_plan_in_the_document_is_sound(tmp_path: Path) -> None:
    (written,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "lrs3.yaml").write_text(written, encoding="utf-8")
    plan = read_plan(tmp_path / "lrs3.yaml", CATALOGUE)
    baseline, *arms = (load(arm.settings) for arm in expand(plan, CATALOGUE))
    assert (plan.preset, len(arms)) == ("base", 5)
    recipe = baseline.training
    hours_seen = recipe.steps * (recipe.max_frames_per_batch or 0) / 25 / 3600
    assert hours_seen / 433 == pytest.approx(12, abs=0.5), "as many epochs as the document says"


@pytest.mark.slow
def test_base_takes_two_steps_in_half_precision(beeps: Path, tmp_path: Path) -> None:
    small = {
        "decoder.units": "word",
        "decoder.beam_size": 2,
        "training.max_frames_per_batch": 20,
        "training.average": 1,
    }
    settings = CATALOGUE.resolve("base", small | {"training.steps": 2, "training.warmup_ratio": 0.0})
    points: list[dict[str, float]] = []
    train_trial(settings, 1, beeps, tmp_path, threads=2, log=lambda _, new: points.append(new))
    losses = [point for point in points if "loss/attention" in point]
    assert settings["training"]["precision"] == "bfloat16"
    assert len(losses) == 2
    assert all(math.isfinite(value) for point in losses for value in point.values())
    weights = load_file(tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} <= {torch.float32, torch.int64}
