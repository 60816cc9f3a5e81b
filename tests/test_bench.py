"""The benchmarks can be imported, and the comparison of two revisions finds a changed digit."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from null_study import draw, judge, rate_with_looks, rates, trials_of
from seed_spread import table_of, write
from study_old_new import differences

from ablation.records import Study
from ablation.results import write_study
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


def study_folder(path: Path, arms: tuple[str, ...], steps: int | None = 100) -> Path:
    """Write a study of `counts` with three seeds; the baseline's trials are the same in all of them."""
    table = counts(("baseline", *arms), 3)
    settings = {"training": {"steps": steps}} if steps else {}
    study = Study(
        study=path.name, preset="tiny", corpus={"uri": "synthetic://a"}, seeds=[0, 1, 2], conditions=["clean"], arms=[], trials=[],
        settings=settings,
    )  # fmt: skip
    path.mkdir()
    table.assign(reference="", hypothesis="").to_parquet(path / "counts.parquet", index=False)
    write_study(study, path)
    return path


def test_seed_spreads_of_studies_with_one_training_are_pooled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = study_folder(tmp_path / "first", ("a",)), study_folder(tmp_path / "second", ("a", "b"))
    other = study_folder(tmp_path / "foreign", ("a",), steps=None)
    [row] = table_of([first, second, other], []).to_dict("records")
    assert "foreign has no preset" in capsys.readouterr().out
    assert row["df"] == 4  # three arms x three seeds: the trials of both studies count once
    assert row["source"] == "study first: 2 arms x 3 seeds; second: 3 arms x 3 seeds"
    alone = table_of([second], [])
    assert row["sd_points"] == alone.loc[0, "sd_points"]
    table = tmp_path / "table.csv"
    table_of([first], []).to_csv(table, index=False)
    write(alone, table)
    pd.testing.assert_frame_equal(pd.read_csv(table), alone)
