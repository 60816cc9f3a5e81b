"""The contrasts of plans: their arms, their keys, and the refusal of those whose arms compute the same."""

from typing import Any

import pytest

from ablation.plan.arms import expand
from ablation.plan.contrasts import Contrast
from ablation.plan.families import check_distinct, contrasts
from ablation.plan.plan import Plan, plan_from_mapping
from common.errors import UserError
from model.config import CATALOGUE
from training.hygiene import examine


def plan_of(**keys: Any) -> Plan:
    return plan_from_mapping({"study": "s", **keys})


def contrasts_of(plan: Plan) -> list[Contrast]:
    return contrasts(plan, expand(plan, CATALOGUE), CATALOGUE)


def test_a_ladder_compares_each_rung_with_the_one_before() -> None:
    found = contrasts_of(plan_of(ladder=["adapter", "masking", "siamese"]))
    assert [each.name for each in found] == ["adapter", "masking", "siamese"]
    assert found[0].weights == {"ladder-1-adapter": 1, "ladder-0-bare": -1}
    assert found[-1].weights == {"baseline": 1, "ladder-2-masking": -1}
    assert found[0].changes[0].lacks == "the adapter"


def test_a_factorial_has_main_effects_and_interactions() -> None:
    parts = ["adapter", {"masking": {"u": "uniform"}}, "fusion.scale"]
    found = contrasts_of(plan_of(factorial=parts))
    assert [each.name for each in found][3:] == ["no-adapter x u", "no-adapter x no-scale", "u x no-scale"]
    assert len(contrasts_of(plan_of(factorial=parts, interaction_order=3))) == 7
    assert len(contrasts_of(plan_of(factorial=parts, interaction_order=1))) == 3
    assert all(len(each.weights) == 8 for each in found)


def test_an_arm_of_two_shorthands_keeps_its_name() -> None:
    found = contrasts_of(plan_of(leave_one_out=["adapter"], factorial=["adapter", "fusion.scale"]))
    assert found[0].weights == {"no-adapter": 0.5, "no-adapter-and-no-scale": 0.5, "baseline": -0.5, "no-scale": -0.5}


def test_the_order_is_in_the_plan_only_where_it_is_given() -> None:
    assert "interaction_order" not in plan_of(factorial=["adapter", "masking"]).as_mapping()
    plan = plan_of(factorial=["adapter", "masking"], interaction_order=1)
    assert plan_from_mapping(plan.as_mapping()) == plan
    with pytest.raises(UserError, match="whole number, 1 or more"):
        plan_of(interaction_order=0)


@pytest.mark.parametrize(
    ("shorthand", "said"),
    [
        (
            {"factorial": ["masking", "siamese"]},
            r"'no-masking' and 'no-masking-and-no-siamese' .*`ladder: \[masking, siamese\]`",
        ),
        (
            {"ladder": ["siamese", "masking", "adapter"]},
            r"adding 'siamese' at this place .*`ladder: \[masking, adapter\]`",
        ),
    ],
)
def test_arms_that_compute_the_same_are_refused_with_a_remedy(shorthand: dict[str, Any], said: str) -> None:
    plan = plan_of(**shorthand)
    arms = expand(plan, CATALOGUE)
    measured = examine({arm.arm: arm.settings for arm in arms})
    with pytest.raises(UserError, match=said):
        check_distinct(plan, contrasts_of(plan), measured.same)
