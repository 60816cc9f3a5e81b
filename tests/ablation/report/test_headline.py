"""The headline: what was found and where, or why there is no verdict; the answer stands before the details."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablation.report.blocks import Pictures, Table, Text
from ablation.report.content import Content, load
from ablation.report.document import document, readings
from ablation.report.formats.html import to_html
from ablation.report.headline import headline
from ablation.report.wording import tied

Write = Callable[..., Path]
CONDITIONS = ("clean", "babble_0db")
ARMS: dict[str, tuple[str | None, Any, float]] = {
    "baseline": (None, None, 1.0),
    "audio-only": ("fusion.tokens", {"kind": "audio_only"}, 3.0),
    "no-scale": ("fusion.scale", {"kind": "none"}, 1.0),
}


def drawn(write_study: Write, folder: Path, **given: Any) -> Content:
    """A small study: an arm that is worse, and one without a difference."""
    usual = {"arms": ARMS, "failed": set(), "conditions": CONDITIONS, "utterances": 60, "hygiene": None}
    return load(write_study(folder, **(usual | given)))


@pytest.fixture(scope="module")
def content(write_study: Write, tmp_path_factory: pytest.TempPathFactory) -> Content:
    overrides: dict[str, Any] = {part: {"kind": "none"} for part in ("masking", "siamese", "adapter")}
    found = drawn(write_study, tmp_path_factory.mktemp("several"))
    several = [arm if arm.arm != "audio-only" else arm.model_copy(update={"overrides": overrides, "changes": []})
               for arm in found.study.arms]  # fmt: skip
    return replace(found, study=found.study.model_copy(update={"arms": several}))


def test_an_arm_that_changes_many_parts_is_named_and_its_conditions_are_counted(content: Content) -> None:
    [said] = headline(content)
    assert said.startswith("Against the baseline: audio-only (which changes 3 parts) makes it worse (by ")
    assert " points in both conditions)" in said
    assert "Open: no-scale." in said


def test_an_estimate_below_the_margin_asks_for_equivalence(content: Content) -> None:
    wide = content.study.model_copy(update={"margin_points": 49.0})
    said = headline(replace(content, study=wide))[0]
    assert "Open: no-scale. The estimate closest to what the study detects (no-scale at " in said
    assert " points) is below the margin. To show that an arm without a difference is within 49 points takes " in said


def test_the_named_estimate_is_closest_to_what_its_condition_detects(content: Content) -> None:
    """A large difference in a condition with a wide spread is further from detection than a small one where little is detected."""
    table = content.comparison.copy()
    open_rows = table["arm"] == "no-scale"
    for condition, difference, detectable in (("clean", 0.01, 0.012), ("babble_0db", 0.05, 0.2)):
        table.loc[open_rows & (table["condition"] == condition), ["difference", "detectable"]] = difference, detectable
    changed = replace(content, comparisons={content.metric.name: table})
    assert "detects (no-scale at clean, 1.0 points)" in headline(changed)[0]


def test_the_answer_stands_before_the_details(content: Content) -> None:
    titles = [(section.title, section.detail) for section in document(content).sections]
    assert [title for title, detail in titles if not detail] == [
        "Findings", "Verdicts", "Word error rate by arm and condition", "Figures",
    ]  # fmt: skip
    assert [detail for _, detail in titles] == sorted(detail for _, detail in titles)


def test_one_seed_gives_no_verdict_and_figures_say_so(write_study: Write, tmp_path: Path) -> None:
    content = drawn(write_study, tmp_path, seeds=(1,))
    [said] = headline(content)
    assert said.startswith("No verdicts: with one seed, a difference cannot be told from chance. Two seeds")
    captions = [
        picture.caption
        for section in document(content).sections
        for block in section.blocks
        if isinstance(block, Pictures)
        for picture in block.pictures
    ]
    assert any("without intervals, as nothing was tested" in caption for caption in captions)
    assert not any("Filled" in caption for caption in captions)


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        ({(arm, seed) for arm in ARMS for seed in (1, 2, 3)}, "No verdicts: all 9 trials failed. The reason: the loss"),
        ({("baseline", seed) for seed in (1, 2, 3)}, "No verdicts: no trial of the baseline finished."),
    ],
)
def test_a_study_without_verdicts_says_why(
    write_study: Write, tmp_path: Path, failed: set[tuple[str, int]], said: str
) -> None:
    content = drawn(write_study, tmp_path, failed=failed)
    assert headline(content)[0].startswith(said)
    titles = [section.title for section in document(content).sections]
    assert titles.index("Failed trials") < titles.index("How to read this")
    if len(failed) == 9:
        assert titles[:3] == ["Findings", "Verdicts", "Failed trials"]
        assert "Word error rate by arm and condition" not in titles


def test_an_arm_without_trials_is_named_as_not_tested(write_study: Write, tmp_path: Path) -> None:
    content = drawn(write_study, tmp_path, failed={("no-scale", seed) for seed in (1, 2, 3)})
    assert headline(content)[0].endswith("Not tested: no-scale.")


def test_readings_of_a_plan_are_a_table() -> None:
    found = readings(
        ["line 3: 'AVA module' read as `adapter`", 'line 5: "the paper\'s scale" read as `fusion.scale: none`']
    )
    assert isinstance(found, Table)
    assert found.rows == [["3", "AVA module", "adapter"], ["5", "the paper's scale", "fusion.scale: none"]]
    assert isinstance(readings(["of another version"]), Text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.1 points at babble −5 dB, 80 %", "2.1~points at babble −5~dB, 80~%"),
        ("1: +4.1 [+2.4, +5.9], p < 0.001", "1: +4.1~[+2.4,~+5.9], p~<~0.001"),
        ("d = −0.3 [−1.9, 1.2]", "d~=~−0.3~[−1.9,~1.2]"),
        ("seeds 1, 2, 3 and 5 seeds", "seeds 1, 2, 3 and 5 seeds"),
    ],
)
def test_lines_do_not_break_inside_numbers(text: str, expected: str) -> None:
    assert tied(text) == expected.replace("~", "\u00a0")


def test_the_page_keeps_intervals_together_and_marks_code(content: Content) -> None:
    page = to_html(document(content))
    assert "3: +" in page
    assert "<code>basic</code>" in page
    assert "`" not in page.partition("<main")[2]
