"""Markdown plans: the founding document as it stands, and the sentences that unclear phrases get."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ablation.plan.arms import expand
from ablation.plan.markdown import read_markdown
from ablation.plan.plan import Plan, read_plan
from common.errors import UserError
from model.config import CATALOGUE

PLANS = Path(__file__).parents[3] / "plans"
ReadPlan = Callable[..., Plan]


def section(part: str = "masking", action: str = "REPLACE", replacement: str = "no masking") -> str:
    return f"## Doubt\n- **Ablated Part**: {part}\n- **Action**: {action}\n- **Replacement**: {replacement}\n"


def test_the_founding_plan_gives_its_four_arms(plan_file: ReadPlan, founding_plan: str) -> None:
    plan = plan_file(founding_plan, "My Plan.md")
    arms = {arm.arm: arm.overrides for arm in expand(plan, CATALOGUE)}
    assert arms == {
        "baseline": {},
        "static-scale": {"fusion.scale": {"kind": "static"}},
        "no-scale": {"fusion.scale": {"kind": "none"}},
        "uniform-masking": {"masking": {"kind": "uniform"}},
    }
    assert (plan.study, plan.metrics, plan.seeds) == ("my-plan", ("wer",), (1, 2, 3))
    assert plan.corpus.startswith("synthetic://")


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(founding_plan: str) -> None:
    written = "\ufeff" + founding_plan.replace("\n", "\r\n")
    assert read_markdown(written, CATALOGUE, "s") == read_markdown(founding_plan, CATALOGUE, "s")


def test_the_shipped_markdown_is_the_founding_plan_and_equals_the_shipped_yaml(founding_plan: str) -> None:
    assert (PLANS / "smile.md").read_text(encoding="utf-8").endswith(founding_plan)
    written, listed = (read_plan(PLANS / name, CATALOGUE) for name in ("smile.md", "smile.yaml"))
    settings = {arm.arm: arm.settings for arm in expand(listed, CATALOGUE)}
    founding = {arm.arm: arm.settings for arm in expand(written, CATALOGUE)}
    assert founding == {name: settings[name] for name in founding}
    assert set(settings) - set(founding) == {"audio-only", "video-only"}


def test_front_matter_gives_the_other_keys(plan_file: ReadPlan) -> None:
    plan = plan_file("---\nstudy: other\nseeds: [5]\nmetrics: [wer]\n---\n# Title\n\nProse.\n" + section(), "p.md")
    assert (plan.study, plan.seeds, len(plan.ablations)) == ("other", (5,), 1)


def test_other_hands_other_habits(plan_file: ReadPlan) -> None:
    text = "* **Ablated part:** The Fusion-Scale\n* **Action:** Remove\n* **Why:** is it needed?\n"
    plan = plan_file(text, "p.md")
    assert plan.ablations[0].part == "fusion.scale"
    assert (plan.ablations[0].action, plan.ablations[0].why) == ("remove", "is it needed?")
    assert [arm.arm for arm in expand(plan, CATALOGUE)] == ["baseline", "no-scale"]


@pytest.mark.parametrize("phrase", ["static scaling factor (0.3)", "static scaling factor of 0.3", "static of .3"])
def test_a_value_in_the_phrase_is_a_value_of_the_kind(plan_file: ReadPlan, phrase: str) -> None:
    plan = plan_file(section("fusion.scale", replacement=phrase), "p.md")
    assert plan.ablations[0].replacements == {"static-scale-0.3": {"kind": "static", "value": 0.3}}


MISTAKES = {
    "unknown part": (section("the flux capacitor"), "no part is called 'the flux capacitor'; the nearest are '.*' \\("),
    "unknown kind": (section(replacement="banana masking"), "no kind of masking is called 'banana masking'.*uniform"),
    "no action": ("- **Ablated Part**: masking\n", r"'the plan' needs one field `- \*\*Action\*\*: ...`, got 0"),
    "no part": ("- **Action**: remove\n", "needs one field .*Ablated Part"),
    "no replacement": ("- **Ablated Part**: masking\n- **Action**: REPLACE\n", "no field .*which REPLACE needs"),
    "two parts": ("- **Ablated Part**:\n  - masking\n  - siamese\n- **Action**: remove\n", "got 2"),
    "unknown action": (section(action="swap"), "unknown action of masking 'swap'"),
    "unknown field": ("# T\n- **Metric s**: x\n", "unknown field 'Metric s' in 'T': did you mean 'metrics'"),
    "field twice": (section() + "- **Action**: remove\n", "'Doubt' has the field 'Action' twice"),
    "replacement twice": (section(replacement="\n  - no masking\n  - none"), "'none' twice, as arm 'no-masking'"),
    "unknown metric": (section() + "- **Metrics**: BLEU\n", "unknown metrics 'bleu'"),
    "nothing": ("# Notes\n\nJust prose.\n", "no ablation found"),
    "front matter list": ("---\n- a\n---\n" + section(), "`front matter` is a mapping"),
    "front matter ablations": ("---\nablations: []\n---\n" + section(), "write them as sections below it"),
    "front matter key": ("---\nsed: [1]\n---\n" + section(), "unknown key 'sed'.*did you mean 'seeds'"),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gets_one_clear_sentence(plan_file: ReadPlan, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        plan_file(text, "plan.md")
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Fork:
    """A kind of a model that is not ours."""

    description: str = ""
    phrases: tuple[str, ...] = ()
    arm: str = "no-fork"


@dataclass(frozen=True)
class Place:
    """A part of a model that is not ours."""

    description: str = ""
    phrases: tuple[str, ...] = ("the gate",)
    kinds: dict[str, Fork] = field(default_factory=lambda: {"none": Fork()})


class Other:
    """Another model's catalogue, in which two parts go by one phrase."""

    parts: ClassVar = {"left.gate": Place(), "right.gate": Place()}
    settings: ClassVar = ()

    def resolve(self, preset: str, overrides: Any) -> dict[str, Any]:
        return {"preset": preset, **overrides}


def test_an_ambiguous_phrase_lists_the_parts_that_it_could_mean() -> None:
    with pytest.raises(UserError, match=r"'gate' could be more than one part: left.gate, right.gate"):
        read_markdown(section("gate", replacement="none"), Other(), "s")
    assert read_markdown(section("left gate", replacement="none"), Other(), "s")["ablations"][0]["part"] == "left.gate"
