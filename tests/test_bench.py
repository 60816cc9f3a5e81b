"""The benchmarks can be imported, and the comparison of two revisions finds a changed digit."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from null_study import draw, judge, rate_with_looks, rates, trials_of
from study_old_new import differences

from ablation.stats.sequential import design

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


def counts(arms: tuple[str, ...], seeds: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        (arm, seed, "clean", "u", "s", int(rng.normal(100 * place, 5)), 0, 0, 1000)
        for place, arm in enumerate(arms, 1)
        for seed in range(seeds)
    ]
    keys = ["arm", "seed", "condition", "utterance_id", "speaker"]
    return pd.DataFrame(rows, columns=[*keys, "substitutions", "deletions", "insertions", "reference_words"])


def test_a_null_study_is_drawn_from_trials_of_one_model() -> None:
    rng = np.random.default_rng(0)
    trials = counts(("baseline",), 12)
    study = draw(trials, 3, 3, rng)
    assert sorted(zip(study["arm"], study["seed"], strict=True)) == [
        (arm, seed) for arm in ("baseline", "copy-1", "copy-2") for seed in (1, 2, 3)
    ]
    assert all(share <= 0.5 for share in rates(trials, 3, 3, 4, rng))
    assert rate_with_looks(trials, design((2, 4), 2, 1), 3, rng) <= 2 / 3


def test_a_null_study_takes_the_trials_of_any_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts(("baseline", "other"), 9).to_parquet(tmp_path / "counts.parquet")
    own = trials_of(tmp_path)
    assert set(own["arm"]) == {"baseline"}
    assert own["wer"].mean() == pytest.approx(0.1, abs=0.01)
    judge(tmp_path, 2)
    assert "9 trials; clean: WER 10" in capsys.readouterr().out
    counts(("baseline", "other"), 5).to_parquet(tmp_path / "counts.parquet")
    around = trials_of(tmp_path)  # too few of one arm: the deviations of both from their means
    assert around["seed"].nunique() == 10
    assert around["wer"].mean() == pytest.approx(0.15, abs=0.01)
    assert around["wer"].std() < 0.01
    counts(("baseline",), 3).to_parquet(tmp_path / "counts.parquet")
    judge(tmp_path, 2)
    assert "at least 9 trials" in capsys.readouterr().out
