"""The description of an experiment in MLflow, and the numbers on the study's run."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.report.content import Content, load
from ablation.report.formats.mlflow import experiment_note, run_note, study_metrics

WriteStudy = Callable[..., Path]


@pytest.fixture(scope="module")
def content(write_study: WriteStudy, tmp_path_factory: pytest.TempPathFactory) -> Content:
    return load(write_study(tmp_path_factory.mktemp("study")))


def test_the_first_line_is_a_sentence_without_markup(content: Content) -> None:
    first, blank, question, *_ = experiment_note(content).split("\n")
    assert first.startswith("Against the baseline: without the video, WER rises by")
    assert first.endswith("by 5.7 points at babble −5 dB.")
    assert blank == ""
    assert "&lt;script>" in question
    assert not set("*_`[|<") & set(first)
    assert run_note(content).startswith(f"{first}\n\n#### made-up: Which parts")


def test_every_arm_has_a_row_and_decided_arms_come_first(content: Content) -> None:
    rows = [line.split(" | ") for line in experiment_note(content).splitlines() if line.startswith("| ")][2:]
    assert {row[0].removeprefix("| ") for row in rows} == {*content.verdicts}
    assert all(len(row) == 2 + len(content.study.conditions) for row in rows)
    assert [row[0].removeprefix("| ") for row in rows][:3] == ["no-scale", "uniform-masking", "audio-only"]


def test_the_numbers_of_every_arm_and_condition_are_those_of_the_comparison(content: Content) -> None:
    numbers = study_metrics(content)
    for arm, condition in (("audio-only", "clean"), ("no-scale", "babble_-5db")):
        row = content.row(arm, condition)
        assert row is not None
        assert numbers[f"arm/{arm}/{condition}/difference"] == row["difference"]
        assert numbers[f"arm/{arm}/{condition}/p"] == row["p_adjusted"]
        assert numbers[f"arm/{arm}/{condition}/detectable"] == row["detectable"]
    assert all(math.isfinite(value) for value in numbers.values())
    assert not any(name.startswith("arm/baseline/") for name in numbers)


def test_a_study_without_results_says_so(write_study: WriteStudy, tmp_path: Path) -> None:
    arms = {"baseline": (None, None, 1.0), "no-scale": ("fusion.scale", {"kind": "none"}, 1.0)}
    failed = {(arm, seed) for arm in arms for seed in (1, 2)}
    found = load(write_study(tmp_path, seeds=(1, 2), failed=failed, arms=arms, conditions=("clean",)))
    assert experiment_note(found).startswith("No verdicts: all 4 trials failed.\n")
    assert study_metrics(found) == {}
