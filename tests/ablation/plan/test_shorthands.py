"""Shorthands against arms that are worked out by hand, their way through Kubeflow, and their mistakes."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ablation.plan.arms import expand, warnings
from ablation.plan.plan import Plan, plan_from_mapping, read_plan
from common.errors import UserError
from model.config import CATALOGUE

PLANS = Path(__file__).parents[3] / "plans"
NONE = {"kind": "none"}
CHANNEL = {"fusion.tokens": {"channel-tokens": {"kind": "channel"}}}


def plan(**keys: Any) -> Plan:
    return plan_from_mapping({"study": "s", "seeds": [1, 2], **keys})


def overrides(study: Plan) -> dict[str, dict[str, Any]]:
    return {arm.arm: arm.overrides for arm in expand(study, CATALOGUE)}


def test_leave_one_out_takes_one_part_away_at_a_time() -> None:
    study = plan(leave_one_out=["masking", "fusion.scale", CHANNEL])
    assert overrides(study) == {
        "baseline": {},
        "no-masking": {"masking": NONE},
        "no-scale": {"fusion.scale": NONE},
        "channel-tokens": {"fusion.tokens": {"kind": "channel"}},
    }
    assert [arm.action for arm in expand(study, CATALOGUE)] == [None, "remove", "remove", "replace"]
    assert warnings(study) == []


def test_a_ladder_climbs_from_none_of_the_parts_to_the_baseline() -> None:
    rungs = overrides(plan(ladder=[CHANNEL, "adapter", "siamese"]))
    assert rungs == {
        "baseline": {},
        "ladder-0-bare": {"fusion.tokens": {"kind": "channel"}, "adapter": NONE, "siamese": NONE},
        "ladder-1-fusion-tokens": {"adapter": NONE, "siamese": NONE},
        "ladder-2-adapter": {"siamese": NONE},
    }


def test_a_factorial_has_every_combination_once() -> None:
    cells = overrides(plan(factorial=["masking", {"siamese": {"ema": "ema", "no-siamese": "none"}}]))
    assert cells == {
        "baseline": {},
        "ema": {"siamese": "ema"},
        "no-siamese": {"siamese": "none"},
        "no-masking": {"masking": NONE},
        "no-masking-and-ema": {"masking": NONE, "siamese": "ema"},
        "no-masking-and-no-siamese": {"masking": NONE, "siamese": "none"},
    }
    assert len(overrides(plan(factorial=["masking", "siamese", "adapter", "fusion.scale"]))) == 2**4


def test_an_arm_that_two_shorthands_ask_for_is_taken_once() -> None:
    swap = {"part": "fusion.scale", "replacements": {"half": {"kind": "static"}}}
    study = plan(ablations=[swap], leave_one_out=["masking", "adapter"], factorial=["masking", "siamese"])
    assert list(overrides(study)) == [
        "baseline", "half", "no-masking", "no-adapter", "no-siamese", "no-masking-and-no-siamese",
    ]  # fmt: skip


def shuffled(value: Any, draw: random.Random) -> Any:
    """As Kubeflow hands a plan on: the order of every mapping is lost."""
    if isinstance(value, dict):
        keys = list(value)
        draw.shuffle(keys)
        return {key: shuffled(value[key], draw) for key in keys}
    return [shuffled(item, draw) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["ladder", "masking", "siamese", "interactions", "smile"])
def test_the_shipped_plans_come_through_kubeflow_as_they_were(name: str) -> None:
    study = read_plan(PLANS / f"{name}.yaml", CATALOGUE)
    sent = shuffled(json.loads(json.dumps(study.as_mapping())), random.Random(3))
    assert plan_from_mapping(sent) == study
    assert expand(plan_from_mapping(sent), CATALOGUE) == expand(study, CATALOGUE)


def test_alternatives_keep_their_order_through_kubeflow() -> None:
    study = plan(factorial=["masking", {"siamese": {"b": "none", "a": "ema"}}])
    again = plan_from_mapping(shuffled(study.as_mapping(), random.Random(1)))
    assert list(overrides(again)) == list(overrides(study))


MISTAKES = {
    "no list": ({"ladder": "masking"}, r"`ladder` is a list, got 'masking'; write \[masking, adapter\]"),
    "empty": ({"factorial": []}, "`factorial` is empty"),
    "twice": ({"leave_one_out": ["masking", "masking"]}, "lists 'masking' 2 times"),
    "one rung": ({"ladder": ["masking"]}, "two parts or more, got 'masking' alone; for one part use `leave_one_out`"),
    "two ways up": (
        {"ladder": ["adapter", {"masking": {"a": "none", "b": "uniform"}}]},
        "takes one replacement of 'masking', got a, b",
    ),
    "number": ({"leave_one_out": [3]}, "`leave_one_out` lists parts, .*got 3"),
    "two parts in one item": ({"leave_one_out": [{"masking": {}, "adapter": {}}]}, "lists parts"),
    "nothing in its place": ({"leave_one_out": [{"masking": {}}]}, "write `- masking` for its kind 'none'"),
    "unknown part": ({"ladder": ["maskin", "adapter"]}, "ladder: unknown part 'maskin': did you mean 'masking'"),
    "no kind none": ({"leave_one_out": ["fusion.layers"]}, "'fusion.layers' has no kind 'none', .*arm-name"),
    "bad kind": ({"leave_one_out": [{"masking": {"a": "nope"}}]}, "arm 'a': unknown kind 'nope'"),
    "arm name": ({"leave_one_out": [{"masking": {"No": "none"}}]}, "got 'No'; write e.g. no"),
    "taken away already": ({"leave_one_out": ["masking"], "baseline": {"masking": "none"}}, "equals the baseline"),
}


@pytest.mark.parametrize(("keys", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_one_clear_sentence(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        expand(plan(**keys), CATALOGUE)
    assert "\n" not in str(caught.value)
