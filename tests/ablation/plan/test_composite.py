"""Composite parts: an override becomes overrides of several parts, and no part is set twice by one change."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from ablation.plan.arms import Arm, expand
from ablation.plan.composite import check
from ablation.plan.plan import parse_plan, plan_from_mapping
from ablation.records import ArmRecord
from ablation.report.verdict_wording import subject
from ablation.report.wording import replaced, stated_changes
from common.composite import CompositeKind, CompositePart
from common.errors import UserError
from model.config import CATALOGUE

NONE = {"fusion.scale": {"kind": "none"}, "fusion.layers": {"kind": "last"}, "fusion.output": {"kind": "sum"}}


def arms(**keys: Any) -> dict[str, Arm]:
    return {arm.arm: arm for arm in expand(plan_from_mapping({"study": "s", **keys}), CATALOGUE)}


REMOVE = {"part": "fusion", "action": "remove"}
FIXED = {"part": "fusion", "replacements": {"fixed": "fixed"}}


def test_removing_sets_every_part_and_lists_those_that_change() -> None:
    arm = arms(ablations=[REMOVE])["no-adaptive-fusion"]
    assert arm.settings == CATALOGUE.resolve("tiny", NONE)
    assert arm.overrides == {"fusion.scale": {"kind": "none"}, "fusion.layers": {"kind": "last"}}
    assert (arm.part, arm.action) == ("fusion", "remove")
    [change] = arm.changes
    assert (change.part, change.lacks, change.old) == ("fusion", "the adaptive fusion", "adaptive fusion")


def test_a_fixed_weighted_sum_is_a_static_scale_and_the_mean_of_the_layers() -> None:
    arm = arms(ablations=[FIXED])["fixed"]
    assert arm.settings == CATALOGUE.resolve("tiny", {"fusion.scale": "static", "fusion.layers": "mean"})
    assert [change.new for change in arm.changes] == ["fixed weighted sum"]


def test_parts_that_only_the_baseline_changes_are_set_back() -> None:
    arm = arms(baseline={"fusion.output": "attention", "fusion.layers": "last"}, ablations=[REMOVE])[
        "no-adaptive-fusion"
    ]
    assert arm.settings == CATALOGUE.resolve("tiny", NONE)
    assert arm.overrides == {"fusion.scale": {"kind": "none"}, "fusion.output": {"kind": "sum"}}
    assert arm.changes[0].old == ""  # the baseline has none of the kinds


def test_the_baseline_may_have_a_composite_part_and_an_arm_one_of_its_parts() -> None:
    found = arms(baseline={"fusion": "none"}, ablations=[{"part": "fusion.scale", "replacements": {"half": "static"}}])
    assert found["baseline"].settings == CATALOGUE.resolve("tiny", NONE)
    assert found["half"].settings == CATALOGUE.resolve("tiny", NONE, {"fusion.scale": "static"})
    added = arms(baseline={"fusion": "none"}, ablations=[{**FIXED, "action": "add"}])
    assert added["fixed"].action == "add"


def test_shorthands_take_composite_parts() -> None:
    ladder = arms(ladder=["fusion", "masking", "siamese"])
    assert list(ladder) == ["baseline", "ladder-0-bare", "ladder-1-fusion", "ladder-2-masking"]
    assert list(ladder["ladder-0-bare"].overrides) == ["fusion.scale", "fusion.layers", "masking", "siamese"]
    assert [change.part for change in ladder["ladder-0-bare"].changes] == ["fusion", "masking", "siamese"]
    assert list(arms(leave_one_out=["fusion"])["no-adaptive-fusion"].overrides) == ["fusion.scale", "fusion.layers"]
    cells = arms(factorial=[{"fusion": {"fixed": "fixed", "cat": "concatenate"}}, "adapter"])
    assert len(cells) == 6


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "both in the baseline": (
        {"baseline": {"fusion": "fixed", "fusion.scale": "learned"}},
        "baseline: fusion sets fusion.scale too, and one change cannot set it twice; keep one of them",
    ),
    "both in the other order": (
        {"baseline": {"fusion.layers": "last", "fusion": "fixed"}},
        "baseline: fusion sets fusion.layers too, and one change cannot set it twice; keep one of them",
    ),
    "both in a ladder": (
        {"ladder": ["fusion", "fusion.scale"]},
        "arm 'ladder-0-bare': fusion sets fusion.scale too, and one change cannot set it twice; keep one of them",
    ),
    "both in a factorial": (
        {"factorial": [{"fusion": {"a": "fixed"}}, {"fusion.output": {"b": "concatenate"}}]},
        "arm 'a-and-b': fusion sets fusion.output too, and one change cannot set it twice; keep one of them",
    ),
    "an unknown kind": (
        {"ablations": [{"part": "fusion", "replacements": {"a": "fixd"}}]},
        "arm 'a': unknown kind 'fixd' of part 'fusion': did you mean 'fixed'? Known: adaptive, fixed, concatenate, "
        "attention, none",
    ),
    "a setting": (
        {"ablations": [{"part": "fusion", "replacements": {"a": {"kind": "fixed", "value": 0.3}}}]},
        "arm 'a': fusion: a part that stands for several takes a kind and nothing else, got {'kind': 'fixed', 'value': "
        "0.3}; write {kind: fixed}, or set fusion.scale, fusion.layers, fusion.output one by one",
    ),
    "the baseline's own kind": (
        {"ablations": [{"part": "fusion", "replacements": {"a": "adaptive"}}]},
        "arm 'a' equals the baseline: ",
    ),
    "one of its kinds twice": (
        {"ablations": [FIXED, {"part": "fusion", "replacements": {"same": "fixed"}}]},
        "arms 'fixed' and 'same' have the same settings",
    ),
    "adding what is there": (
        {"ablations": [{**FIXED, "action": "add"}]},
        "'fusion' is in the baseline, so it cannot be added",
    ),
    "a kind of one of its parts": ({"baseline": {"fusion": {"scale": "none"}}}, "write `fusion.scale: none`"),
}


@pytest.mark.parametrize(("keys", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_gets_one_sentence(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as refused:
        arms(**keys)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


class Toy:
    """A catalogue of another recipe, with two parts and the composite parts of a test."""

    settings: Sequence[str] = ()

    def __init__(self, **composites: Mapping[str, Mapping[str, Any]]) -> None:
        kinds = {name: CompositeKind(name, (name,), name, {}) for name in ("x", "none")}
        single = {name: CompositePart(name, (name,), kinds) for name in ("left", "right")}
        self.parts = single | {
            name: CompositePart(
                name,
                (name,),
                {kind: CompositeKind(kind, (kind,), f"{name}-{kind}", sets) for kind, sets in each.items()},
            )
            for name, each in composites.items()
        }

    def resolve(self, _preset: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
        found = {name: {"kind": "x"} for name in ("left", "right")}
        for layer in layers:
            if strange := layer.keys() - found.keys():
                raise UserError(f"unknown {strange}")
            found |= {name: {"kind": spec} if isinstance(spec, str) else dict(spec) for name, spec in layer.items()}
        return {"parts": found}


def both(kind: str) -> dict[str, dict[str, str]]:
    return {"left": {"kind": kind}, "right": {"kind": kind}}


def test_any_catalogue_may_have_composite_parts() -> None:
    toy = Toy(whole={"x": both("x"), "none": both("none")})
    check(toy, "p")
    found = expand(
        plan_from_mapping({"study": "s", "preset": "p", "ablations": [{"part": "whole", "action": "remove"}]}), toy
    )
    assert (found[1].arm, found[1].overrides) == ("whole-none", both("none"))
    assert [change.old for change in found[1].changes] == ["x"]


def test_smiles_composite_parts_set_parts_that_are_there() -> None:
    for preset in ("tiny", "base", "large"):
        check(CATALOGUE, preset)


@pytest.mark.parametrize(
    ("toy", "sentence"),
    [
        (Toy(whole={"x": {"middle": {"kind": "x"}}}), "the kind 'x' of 'whole' sets 'middle', which is not one part"),
        (Toy(a={"x": both("x")}, b={"x": {"a": {"kind": "x"}}}), "the kind 'x' of 'b' sets 'a', which is not one part"),
        (Toy(whole={"x": both("x"), "none": {"left": {"kind": "x"}}}), "'none' of 'whole' does not set right"),
    ],
)
def test_a_composite_part_that_cannot_be_expanded_is_refused(toy: Toy, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        check(toy, "p")


def test_the_report_says_which_arms_change_several_parts() -> None:
    expanded = arms(ablations=[REMOVE, {"part": "adapter", "action": "remove"}])
    records = [
        ArmRecord(arm=arm.arm, part=arm.part, action=arm.action, overrides=arm.overrides, changes=list(arm.changes))
        for arm in expanded.values()
    ]
    assert [subject(arm) for arm in records[1:]] == ["removing the adaptive fusion", "removing the adapter"]
    assert replaced(records[1]) == "2 parts at once: fusion.scale: none; fusion.layers: last"
    assert replaced(records[2]) == "adapter: none"
    assert stated_changes(records) == (
        "Each arm makes one stated change to it; no-adaptive-fusion changes several parts at once, so what is found belongs "
        "to these parts together."
    )
    assert stated_changes(records[2:]) == "Each arm makes one stated change to it."
    many = [ArmRecord(arm=f"a{n}", overrides=both("x")) for n in range(8)]
    assert "; a0, a1, a2, a3, a4, a5 and 2 more change several parts at once" in stated_changes(many)


@pytest.mark.parametrize(
    "phrase",
    [
        "Fixed weighted sum with weights 0.3",
        "Fixed weighted sum with weights 0.3 and 0.7",
        "Fixed weighted sum (0.3)",
        "Fixed weighted sum (scale 0.3)",
        "Fixed weighted sum: value = 0.3",
        "Fixed weighted sum of the last 2 layers",
    ],
)
def test_a_number_for_a_kind_of_several_parts_is_refused_in_a_sentence(phrase: str) -> None:
    section = f"### A\n- **Ablated Part**: {{}}\n- **Action**: REPLACE\n- **Replacement**: {phrase}\n"
    for part in ("adaptive dynamic multimodal fusion", "fusion"):
        with pytest.raises(UserError) as refused:
            parse_plan(section.format(part), CATALOGUE, name="plan.md")
        assert str(refused.value).partition(": ")[2] == (
            f"{phrase!r} has a number that no settings of the kind fixed take; leave it out, or write a section for "
            "fusion.scale or fusion.layers or fusion.output with it"
        )
