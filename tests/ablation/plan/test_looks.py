"""Looks in a plan: their checks, the plans of single looks, and which trials a look has."""

from typing import Any

import pytest

from ablation.plan.arms import expand, trials
from ablation.plan.looks import first_look, may_stop, next_look
from ablation.plan.plan import Plan, plan_from_mapping
from common.errors import UserError
from recipes.smile import CATALOGUE

ABLATIONS = [
    {"part": "fusion.scale", "replacements": {"no-scale": {"kind": "none"}, "static": {"kind": "static", "value": 0.5}}}
]
ARMS = ["no-scale", "static"]


def plan(**keys: Any) -> Plan:
    return plan_from_mapping({"study": "x", "looks": [3, 5, 8], "ablations": ABLATIONS, **keys})


def test_seeds_follow_from_the_looks() -> None:
    assert plan().seeds == tuple(range(1, 9))
    assert plan(seeds=[7, 8, 9]).seeds == (7, 8, 9)


def test_a_plan_with_looks_survives_the_pipeline() -> None:
    whole = plan(seeds=[1, 2, 3, 4, 5], stopped={"static": 3})
    assert plan_from_mapping(whole.as_mapping()) == whole


def test_a_plan_without_looks_has_the_keys_of_earlier_versions() -> None:
    assert not {"looks", "stopped"} & {*plan_from_mapping({"study": "x"}).as_mapping()}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"looks": [3]}, "2 to 10 increasing"),
        ({"looks": [5, 3]}, "increasing"),
        ({"looks": [3, 3]}, "increasing"),
        ({"looks": [1, 3]}, "from 2 to"),
        ({"looks": [True, 3]}, "from 2 to"),
        ({"looks": [3.0, 5]}, "from 2 to"),
        ({"looks": list(range(2, 14))}, "2 to 10"),
        ({"looks": 3}, "is a list"),
        ({"looks": []}, "is empty"),
        ({"seeds": [1, 2]}, "as many seeds as one of the looks"),
        ({"stopped": {"static": 4}}, "the looks are at"),
        ({"stopped": {"static": "3"}}, "numbers of seeds"),
        ({"stopped": ["static"]}, "is a mapping"),
    ],
)
def test_wrong_looks_are_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        plan(**keys)


def test_only_looks_stop_arms() -> None:
    with pytest.raises(UserError, match="no `looks`"):
        plan_from_mapping({"study": "x", "stopped": {"static": 3}})


@pytest.mark.parametrize("arm", ["statics", "baseline"])
def test_only_arms_can_be_stopped(arm: str) -> None:
    with pytest.raises(UserError, match="no arm besides the baseline"):
        expand(plan(stopped={arm: 3}), CATALOGUE)


def test_a_ladder_takes_looks_and_its_baseline_may_stop() -> None:
    keys: dict[str, Any] = {"ladder": ["fusion", "masking", "siamese"], "ablations": []}
    whole = plan(**keys, seeds=[1, 2, 3, 4, 5], stopped={"baseline": 3})
    assert plan_from_mapping(whole.as_mapping()) == whole
    arms = expand(whole, CATALOGUE)
    seeds = [trial.seed for trial in trials(whole, arms) if trial.arm == "baseline"]
    assert (may_stop(whole, [arm.arm for arm in arms])[0], seeds) == ("baseline", [1, 2, 3])
    with pytest.raises(UserError, match="which is no arm of the plan: did you mean 'baseline'"):
        expand(plan(**keys, stopped={"baselin": 3}), CATALOGUE)


def test_a_stopped_arm_keeps_its_first_seeds() -> None:
    whole = plan(seeds=[11, 12, 13, 14, 15], stopped={"static": 3})
    seeds = {
        arm: [trial.seed for trial in trials(whole, expand(whole, CATALOGUE)) if trial.arm == arm]
        for arm in ("baseline", *ARMS)
    }
    assert seeds == {"baseline": [11, 12, 13, 14, 15], "no-scale": [11, 12, 13, 14, 15], "static": [11, 12, 13]}


def test_looks_follow_each_other_until_all_arms_are_decided() -> None:
    first = first_look(plan())
    assert (first.seeds, first.stopped) == ((1, 2, 3), {})
    second = next_look(plan(), first, ARMS, {"static": 3})
    assert second is not None
    assert (second.seeds, second.stopped) == ((1, 2, 3, 4, 5), {"static": 3})
    assert next_look(plan(), second, ARMS, {"static": 3, "no-scale": 5}) is None
    third = next_look(plan(), second, ARMS, {"static": 3})
    assert third is not None
    assert len(third.seeds) == 8
    assert next_look(plan(), third, ARMS, {"static": 3}) is None


def test_an_arm_that_is_open_again_catches_up() -> None:
    second = next_look(plan(), first_look(plan()), ARMS, {"static": 3})
    assert second is not None
    again = next_look(plan(), second, ARMS, {})
    assert again is not None
    assert (len(again.seeds), again.stopped) == (5, {})


def test_a_plan_with_fewer_seeds_ends_at_its_look() -> None:
    part = plan(seeds=[1, 2, 3])
    assert next_look(part, first_look(part), ARMS, {}) is None
