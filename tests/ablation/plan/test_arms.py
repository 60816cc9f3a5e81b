"""Arms worked out by hand, and the checks that need the model's catalogue."""

from typing import Any

import pytest

from ablation.plan.arms import expand, trials, warnings
from ablation.plan.plan import Plan, plan_from_mapping
from common.errors import UserError
from model.config import CATALOGUE


def plan(*ablations: dict[str, Any], **keys: Any) -> Plan:
    return plan_from_mapping({"study": "s", "ablations": list(ablations), **keys})


def swap(part: str, **replacements: Any) -> dict[str, Any]:
    return {"part": part, "replacements": {name.replace("_", "-"): spec for name, spec in replacements.items()}}


def test_an_arm_is_the_baseline_with_one_change() -> None:
    arms = expand(
        plan(
            swap("fusion.scale", half={"kind": "static", "value": 0.5}, none="none") | {"why": "needed?"},
            swap("training.learning_rate", huge=1e6),
            baseline={"masking": "none"},
        ),
        CATALOGUE,
    )
    assert [arm.arm for arm in arms] == ["baseline", "half", "none", "huge"]
    assert (arms[0].part, arms[0].action, arms[0].overrides) == (None, None, {})
    assert (arms[1].part, arms[1].action, arms[1].why) == ("fusion.scale", "replace", "needed?")
    assert arms[1].overrides == {"fusion.scale": {"kind": "static", "value": 0.5}}
    for arm in arms:
        assert arm.settings == CATALOGUE.resolve("tiny", {"masking": "none", **arm.overrides})


def test_removing_takes_the_kind_none_and_its_name() -> None:
    arms = expand(plan({"part": "masking", "action": "remove"}), CATALOGUE)
    assert (arms[1].arm, arms[1].overrides) == ("no-masking", {"masking": {"kind": "none"}})


def test_adding_wants_a_baseline_without_the_part() -> None:
    adding = {**swap("masking", uniform="uniform"), "action": "add"}
    assert expand(plan(adding, baseline={"masking": "none"}), CATALOGUE)[1].action == "add"
    with pytest.raises(UserError, match=r"'masking' is in the baseline.*baseline: \{masking: \{kind: none\}\}"):
        expand(plan(adding), CATALOGUE)


def test_trials_go_seed_by_seed() -> None:
    study = plan(swap("masking", none="none"), seeds=[4, 2])
    order = [(trial.seed, trial.arm) for trial in trials(study, expand(study, CATALOGUE))]
    assert order == [(4, "baseline"), (4, "none"), (2, "baseline"), (2, "none")]


def test_warnings_name_what_is_seldom_meant() -> None:
    assert warnings(plan(swap("masking", none="none"), seeds=[1, 2])) == []
    assert "one seed gives no verdict" in warnings(plan(swap("masking", none="none"), seeds=[1]))[0]
    assert "nothing to compare" in warnings(plan(seeds=[1, 2]))[0]


MISTAKES = {
    "unknown part": (plan(swap("maskin", a="none")), "unknown part 'maskin': did you mean 'masking'"),
    "part by its last name": (plan(swap("scale", a="none")), "unknown part 'scale': did you mean 'fusion.scale'"),
    "unknown dotted part": (
        plan(swap("fusion.scal", a="none")),
        "arm 'a': .*'fusion.scal': did you mean 'fusion.scale'",
    ),
    "unknown kind": (plan(swap("fusion.scale", a="banana")), "arm 'a': unknown kind 'banana'"),
    "unknown part in the baseline": (plan(baseline={"scale": "banana"}), "baseline: unknown part 'scale'"),
    "nested settings": (plan(baseline={"training": {"steps": 10}}), "baseline: .* write `training.steps: 10`"),
    "nested part": (plan(baseline={"fusion": {"scal": "none"}}), "write `fusion.scale: none`"),
    "group of settings": (plan(baseline={"training": 5}), "'training' is a group .*: training.steps, "),
    "setting by its last name": (
        plan(baseline={"steps": 5}),
        "unknown part or setting 'steps': did you mean 'training.steps'",
    ),
    "setting of an arm by its last name": (plan(swap("heads", a=2)), "'encoder.heads' or 'decoder.heads'"),
    "a factorial of thousands": (
        plan(
            factorial=[
                {part: {f"{part[-3:]}{n}": "x" for n in range(11)}} for part in CATALOGUE.parts if part != "siamese"
            ]
        ),
        "at most 1000 arms",
    ),
    "unknown kind in the baseline": (plan(baseline={"fusion.scale": "banana"}), "baseline: unknown kind 'banana'"),
    "unknown preset": (plan(preset="tinny"), "did you mean 'tiny'"),
    "wrong type": (plan(swap("training.steps", a="many")), "arm 'a': training.steps: .*got 'many'"),
    "boolean": (plan(swap("training.steps", a=True)), "arm 'a': training.steps: .*got True"),
    "out of range": (plan(swap("training.learning_rate", a=-1.0)), r"arm 'a': training.learning_rate: .*got -1.0"),
    "equals the baseline": (plan(swap("fusion.scale", a="learned")), "arm 'a' equals the baseline"),
    "same settings": (
        plan(swap("fusion.scale", a="static", b={"kind": "static", "value": 0.5})),
        "arms 'a' and 'b' have the same settings",
    ),
    "same name": (plan(swap("masking", a="none"), swap("siamese", a="none")), "two arms are named 'a'"),
    "nothing to remove": (
        plan({"part": "fusion.tokens", "action": "remove"}),
        "'fusion.tokens' does not have; use `action: replace`. Parts with it: fusion, fusion.scale, masking",
    ),
    "a setting removed": (plan({"part": "training.steps", "action": "remove"}), "'training.steps' does not have"),
}


@pytest.mark.parametrize(("study", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_one_clear_sentence(study: Plan, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        expand(study, CATALOGUE)
    assert "\n" not in str(caught.value)
