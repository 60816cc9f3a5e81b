"""What docs/training.md suggests for the large presets is sound."""

import re
from pathlib import Path

import pytest

from ablation.arms import expand
from ablation.plan import read_plan
from model.config import CATALOGUE, load

DOCUMENT = Path(__file__).parents[2] / "docs" / "training.md"


def test_the_plan_in_the_document_is_sound(tmp_path: Path) -> None:
    (written,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "lrs3.yaml").write_text(written, encoding="utf-8")
    plan = read_plan(tmp_path / "lrs3.yaml", CATALOGUE)
    baseline, *arms = (load(arm.settings) for arm in expand(plan, CATALOGUE))
    assert (plan.preset, len(arms)) == ("base", 5)
    recipe = baseline.training
    hours_seen = recipe.steps * (recipe.frames_per_batch or 0) / 25 / 3600
    assert hours_seen / 433 == pytest.approx(12, abs=0.5), "as many epochs as the document says"
