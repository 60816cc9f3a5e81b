"""Settings under their earlier names: plans and stored settings of earlier versions stay readable."""

from typing import Any

import pytest

from ablation.plan.arms import expand
from ablation.plan.plan import plan_from_mapping
from common.errors import UserError
from model.config import CATALOGUE, EARLIER_NAMES, load, resolve

VALUES: dict[str, Any] = {
    "decoder.beam": 7,
    "decoder.length_exponent": 0.5,
    "decoder.pieces": 300,
    "training.accumulate": 3,
    "training.frames_per_batch": 900,
    "training.warmup": 0.25,
}


def value(settings: dict[str, Any], key: str) -> Any:
    group, _, name = key.partition(".")
    return settings[group][name]


def test_every_earlier_name_is_tested() -> None:
    assert VALUES.keys() == EARLIER_NAMES.keys()


@pytest.mark.parametrize("earlier", VALUES)
def test_a_plan_may_use_the_earlier_name(earlier: str) -> None:
    present = EARLIER_NAMES[earlier]
    settings = CATALOGUE.resolve("tiny", {earlier: VALUES[earlier]})
    assert settings == CATALOGUE.resolve("tiny", {present: VALUES[earlier]})
    assert value(settings, present) == VALUES[earlier]


@pytest.mark.parametrize("earlier", VALUES)
def test_a_later_layer_wins_under_either_name(earlier: str) -> None:
    present, default = EARLIER_NAMES[earlier], CATALOGUE.resolve("tiny")
    other = value(default, present)
    assert value(CATALOGUE.resolve("tiny", {present: other}, {earlier: VALUES[earlier]}), present) == VALUES[earlier]
    assert CATALOGUE.resolve("tiny", {earlier: VALUES[earlier]}, {present: other}) == default


def test_both_names_in_one_layer_are_an_error() -> None:
    for keys in (("training.warmup", "training.warmup_ratio"), ("training.warmup_ratio", "training.warmup")):
        with pytest.raises(
            UserError, match=r"training\.warmup is the earlier name of training\.warmup_ratio; give only"
        ):
            resolve("tiny", dict.fromkeys(keys, 0.2))


def test_a_wrong_value_is_reported_under_the_present_name() -> None:
    with pytest.raises(UserError, match=r"training\.warmup_ratio: input should be less than 1, got 2"):
        resolve("tiny", {"training.warmup": 2})


def test_an_arm_may_replace_a_setting_by_its_earlier_name() -> None:
    ablation = {"part": "training.accumulate", "replacements": {"four": 4}}
    plan = plan_from_mapping({"study": "s", "baseline": {"training.warmup": 0.1}, "ablations": [ablation]})
    baseline, arm = expand(plan, CATALOGUE)
    assert baseline.settings["training"]["warmup_ratio"] == arm.settings["training"]["warmup_ratio"] == 0.1
    assert arm.settings["training"]["gradient_accumulation_steps"] == 4


def test_stored_settings_with_earlier_names_are_read() -> None:
    stored = CATALOGUE.resolve("tiny")
    for earlier, present in EARLIER_NAMES.items():
        group, name = present.split(".")
        del stored[group][name]
        stored[group][earlier.split(".")[1]] = VALUES[earlier]
    before = {group: dict(stored[group]) for group in ("decoder", "training")}
    assert load(stored) == resolve("tiny", VALUES)
    assert before == {group: stored[group] for group in before}, "the argument stays unchanged"
