"""The benchmarks can be imported, and the comparison of two revisions finds a changed digit."""

import importlib
from pathlib import Path

import pytest
from study_old_new import differences

NAMES = sorted(path.stem for path in (Path(__file__).parents[1] / "bench").glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__doc__


def test_the_comparison_of_revisions_finds_a_changed_digit() -> None:
    first = {("baseline", 1): {"wer/clean": 0.0661111111111111}, ("no-scale", 1): {"wer/clean": 0.07}}
    assert differences(first, dict(first)) == []
    changed = first | {("baseline", 1): {"wer/clean": 0.0661111111111112}}
    [line] = differences(first, changed)
    assert line.startswith("baseline seed 1: ")
    assert len(differences(first, {("no-scale", 1): {"wer/clean": 0.07}})) == 1
