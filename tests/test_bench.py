"""The benchmarks can be imported, and the comparison of two revisions finds a changed digit."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from null_study import draw, rates
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


def test_a_null_study_is_drawn_from_trials_of_one_model() -> None:
    rng = np.random.default_rng(0)
    rows = [("baseline", seed, "clean", int(rng.normal(100, 5)), 0, 0, 1000) for seed in range(12)]
    columns = ["arm", "seed", "condition", "substitutions", "deletions", "insertions", "reference_words"]
    trials = pd.DataFrame(rows, columns=columns)
    study = draw(trials, 3, 3, rng)
    assert sorted(zip(study["arm"], study["seed"], strict=True)) == [
        (arm, seed) for arm in ("baseline", "copy-1", "copy-2") for seed in (1, 2, 3)
    ]
    assert all(share <= 0.5 for share in rates(trials, 3, 3, 4, rng))
