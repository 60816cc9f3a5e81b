"""Batches that cannot fit are refused with the size that fits, which the plan then passes with."""

import re
from typing import Any

import pytest

from ablation.plan.arms import Arm, expand
from ablation.plan.plan import plan_from_mapping
from common.errors import UserError
from model.config import CATALOGUE
from pipelines.local.fits import check_batches, machine_bytes
from recipes.smile import SMILE

GB = 10**9


def arms(**training: Any) -> list[Arm]:
    baseline = {f"training.{key}": value for key, value in training.items()}
    return expand(plan_from_mapping({"study": "s", "baseline": baseline}), CATALOGUE)


@pytest.mark.parametrize(
    ("training", "key"),
    [
        ({"batch_size": 100_000}, "batch_size"),
        ({"batch_size": 100_000, "gradient_accumulation_steps": 3}, "batch_size"),
        ({"max_frames_per_batch": 10_000_000}, "max_frames_per_batch"),
        ({"batch_size": 100_000}, "gradient_accumulation_steps"),
    ],
)
def test_a_batch_that_cannot_fit_is_refused_with_the_size_that_fits(training: dict[str, int], key: str) -> None:
    with pytest.raises(UserError, match=r"needs at least .* GB, and a trial has 4\.0 GB on this machine") as caught:
        check_batches(SMILE, arms(**training), 8 * GB)
    assert "\n" not in str(caught.value)
    found = re.search(rf"training\.{key}: (\d+) or", str(caught.value))
    assert found is not None
    fitting = int(found[1])
    check_batches(SMILE, arms(**{**training, key: fitting}), 8 * GB)
    far_off = fitting // 2 if key == "gradient_accumulation_steps" else 2 * fitting
    with pytest.raises(UserError, match="has to fit in memory"):
        check_batches(SMILE, arms(**{**training, key: far_off}), 8 * GB)


def test_usual_batches_pass() -> None:
    check_batches(SMILE, arms(), 4 * GB)
    check_batches(SMILE, arms(batch_size=64), 8 * GB)
    large = plan_from_mapping({"study": "s", "preset": "large"})
    check_batches(SMILE, expand(large, CATALOGUE), 4 * GB)
    assert machine_bytes() > GB // 4
