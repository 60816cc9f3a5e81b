"""Contrasts against R's multcomp and emmeans, against formulas by hand, and in every corner where trials are missing."""

import math
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.plan.contrasts import Contrast, Effect, Level, factorial_contrasts, ladder_contrasts
from ablation.plan.naming import NamedChange
from ablation.stats.contrast_power import detectable_contrasts
from ablation.stats.contrasts import compare_contrasts
from ablation.stats.dunnett import tail
from ablation.stats.max_t import max_t
from ablation.stats.power import Design, detectable
from ablation.stats.significance import compare
from ablation.stats.verdict import Caution, NotTested, Verdict

HERE = Path(__file__).parent / "multcomp"
WORDS = 1_000_000


def levels(*names: Sequence[str]) -> list[list[Level]]:
    """Replacements of each part, by name."""
    return [[Level(name, NamedChange(name)) for name in of] for of in names]


CELLS22 = {(0, 0): "baseline", (1, 0): "a", (0, 1): "b", (1, 1): "ab"}
CELLS23 = {
    (i, j): name for (i, j), name in zip(np.ndindex(2, 3), ["baseline", "b1", "b2", "a", "ab1", "ab2"], strict=True)
}
TWO_BY_TWO = factorial_contrasts(CELLS22, levels(["a"], ["b"]))
TWO_BY_THREE = factorial_contrasts(CELLS23, levels(["a"], ["b1", "b2"]))
LADDER5 = ladder_contrasts(["bare", "r1", "r2", "r3", "baseline"])


def trials(
    arms: Sequence[str], seeds: int, effects: Mapping[str, float], key: int, missing: set[tuple[str, int]] = frozenset()
):  # type: ignore[assignment,no-untyped-def]
    """Rates by arm and seed, from normal numbers."""
    rng = np.random.default_rng(key)
    luck = rng.normal(0, 0.005, seeds)
    rows = [
        (arm, seed + 1, round(0.2 + effects.get(arm, 0.0) + luck[seed] + rng.normal(0, 0.004), 6))
        for arm in arms
        for seed in range(seeds)
    ]
    return pd.DataFrame([row for row in rows if row[:2] not in missing], columns=["arm", "seed", "wer"])


def counts(table: pd.DataFrame, condition: str = "clean") -> pd.DataFrame:
    """Counts with these rates."""
    errors = (table["wer"] * WORDS).round().astype(int)
    return table.drop(columns="wer").assign(
        condition=condition, substitutions=errors, deletions=0, insertions=0, reference_words=WORDS
    )


ARMS22, ARMS23, RUNGS = [*CELLS22.values()], [*CELLS23.values()], ["baseline", "bare", "r1", "r2", "r3"]
CASES: dict[str, tuple[pd.DataFrame, list[Contrast]]] = {
    "balanced ladder of 5": (trials(RUNGS, 3, {"bare": 0.02, "r1": 0.012, "r2": 0.011}, 1), LADDER5),
    "ladder with missing trials": (
        trials(RUNGS, 4, {"bare": 0.02, "r1": 0.01}, 2, {("r1", 2), ("r3", 1), ("baseline", 4), ("bare", 1)}),
        LADDER5,
    ),
    "2x2": (trials(ARMS22, 3, {"ab": 0.012, "a": 0.004}, 3), TWO_BY_TWO),
    "2x2 with missing trials": (trials(ARMS22, 4, {"ab": 0.01}, 4, {("ab", 1), ("a", 3)}), TWO_BY_TWO),
    "2x3": (trials(ARMS23, 3, {"a": 0.006, "ab2": 0.02, "b2": 0.003}, 5), TWO_BY_THREE),
    "2x3 unbalanced and another arm": (
        trials([*ARMS23, "other"], 5, {"ab1": 0.01}, 6, {("ab1", 4), ("ab1", 5), ("b2", 1), ("a", 2), ("other", 3)}),
        TWO_BY_THREE,
    ),
}


def write_cases(folder: Path) -> tuple[Path, Path]:
    """Write what the R script reads."""
    tables = [table.assign(case=case) for case, (table, _) in CASES.items()]
    rows = [
        (case, each.name, arm, weight)
        for case, (_, contrasts) in CASES.items()
        for each in contrasts
        for arm, weight in each.weights.items()
    ]
    weights = pd.DataFrame(rows, columns=["case", "contrast", "arm", "weight"])
    paths = folder / "trials.csv", folder / "weights.csv"
    for table, path in zip((pd.concat(tables), weights), paths, strict=True):
        table.to_csv(path, index=False)
    return paths


def assert_equal_r(case: str, answers: pd.DataFrame) -> None:
    table, contrasts = CASES[case]
    found = compare_contrasts(counts(table), contrasts).set_index("contrast")
    mine = answers[answers["case"] == case].set_index("contrast")
    assert list(mine.index) == list(found.index)
    error = mine["error"]
    assert found["difference"].to_numpy() == pytest.approx(mine["difference"].to_numpy(), abs=1e-6)
    assert found["p"].to_numpy() == pytest.approx(mine["p"].to_numpy(), abs=1e-3)
    for column, its in (("diff_low", "low"), ("diff_high", "high")):
        assert ((found[column] - mine[its]) / error).abs().max() < 5e-3
        assert (found[column] - mine[its]).abs().max() < 1e-3


@pytest.mark.parametrize("case", CASES)
def test_contrasts_are_those_recorded_from_multcomp(case: str) -> None:
    assert_equal_r(case, pd.read_csv(HERE / "answers.csv"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R with multcomp and emmeans is not installed")
def test_contrasts_are_those_of_multcomp_itself(tmp_path: Path) -> None:
    run = subprocess.run(
        ["Rscript", HERE / "contrasts.R", *write_cases(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    (tmp_path / "answers.csv").write_text(run.stdout)
    answers = pd.read_csv(tmp_path / "answers.csv")
    for case in CASES:
        assert_equal_r(case, answers)


def test_independent_contrasts_have_the_product_as_their_distribution() -> None:
    joint = max_t(np.eye(3), 10_000_000)
    for t in (1.0, 2.5, 4.0):
        assert joint.tail(t) == pytest.approx(1 - (1 - 2 * stats.norm.sf(t)) ** 3, rel=2e-3)


def test_arms_against_one_baseline_give_dunnetts_distribution() -> None:
    for k, t in ((1, 3.0), (4, 2.5), (9, 3.0)):
        correlation = np.full((k, k), 0.5) + 0.5 * np.eye(k)
        exact = tail(t, (math.sqrt(0.5),) * k if k > 1 else (0.0,), 2 * k)
        assert max_t(correlation, 2 * k).tail(t) == pytest.approx(exact, abs=3e-4)


def test_redundant_contrasts_change_nothing() -> None:
    twice = max_t(np.ones((2, 2)), 8)
    assert twice.tail(2.3) == pytest.approx(2 * stats.t.sf(2.3, 8))
    assert twice.critical(0.05) == pytest.approx(stats.t.isf(0.025, 8))


def test_a_contrast_of_all_arms_with_the_baseline_is_compare() -> None:
    table = counts(trials(["baseline", "a"], 4, {"a": 0.01}, 7))
    [contrast] = compare_contrasts(table, ladder_contrasts(["baseline", "a"]), margin_points=3).to_dict("records")
    row = compare(table, margin_points=3).set_index("arm").loc["a"]
    for column in ("difference", "diff_low", "p", "p_equivalent", "detectable", "effect", "effect_low"):
        assert contrast[column] == pytest.approx(row[column], rel=1e-6)
    assert contrast["verdict"] == row["verdict"]


def test_holm_covers_the_conditions() -> None:
    table = trials(RUNGS, 3, {"bare": 0.02, "r1": 0.012}, 1)
    one, two = counts(table), counts(table, "babble_0db")
    single = compare_contrasts(one, LADDER5)
    both = compare_contrasts(pd.concat([one, two]), LADDER5)
    assert list(both["condition"][:2]) == ["clean", "babble_0db"]
    assert both["p_adjusted"].to_numpy()[::2] == pytest.approx(np.minimum(1, 2 * single["p"]))


def test_interactions_of_every_order_and_their_weights() -> None:
    cells = {tuple(map(int, f"{n:03b}")): f"c{n}" for n in range(8)}
    parts = levels(["x"], ["y"], ["z"])
    assert [each.name for each in factorial_contrasts(cells, parts)] == ["x", "y", "z", "x x y", "x x z", "y x z"]
    three = factorial_contrasts(cells, parts, 3)[-1]
    assert (three.kind, three.weights["c0"], three.weights["c7"], three.weights["c4"]) == (Effect.INTERACTION, -1, 1, 1)
    main = factorial_contrasts(cells, parts, 1)[0]
    assert (main.weights["c4"], main.weights["c3"]) == (0.25, -0.25)
    for each in factorial_contrasts(cells, parts, 3):
        assert sum(each.weights.values()) == pytest.approx(0)


def judged(table: pd.DataFrame, contrasts: Sequence[Contrast] = LADDER5) -> pd.DataFrame:
    return compare_contrasts(counts(table), contrasts).set_index("contrast")


def test_what_cannot_be_tested_says_why() -> None:
    table = trials(RUNGS, 3, {}, 8)
    gone = judged(table[table["arm"] != "r2"])
    assert gone.loc["r2", "why_not_tested"] == gone.loc["r3", "why_not_tested"] == NotTested.NO_TRIAL
    assert gone.loc["r1", "verdict"] != Verdict.NOT_TESTED
    assert (judged(table[table["seed"] == 1])["why_not_tested"] == NotTested.ONE_SEED).all()
    assert (judged(table.assign(wer=0.98))["why_not_tested"] == NotTested.SATURATED).all()
    level = judged(table.assign(wer=table["arm"].map({"bare": 0.3}).fillna(0.2)))
    assert level.loc["r1", "why_not_tested"] == NotTested.NO_SPREAD
    assert level.loc["r2", "p"] == 1.0
    apart = table[
        (table["arm"].isin(["bare", "r1"]) & (table["seed"] < 3)) | (table["seed"] == 3) & (table["arm"] == "r2")
    ]
    more = pd.concat([apart, table[table["arm"] == "r2"].assign(seed=lambda rows: rows["seed"] + 3)])
    assert judged(more).loc["r2", "why_not_tested"] == NotTested.NO_COMMON_SEED


def test_an_arm_that_varies_more_is_tested_with_its_own_variance() -> None:
    table = trials(RUNGS, 6, {}, 9)
    rng = np.random.default_rng(0)
    table.loc[table["arm"] == "r1", "wer"] += rng.normal(0, 0.06, 6)
    found = judged(table)
    assert (found["caution"] == Caution.ARM_VARIES).tolist() == [True, True, False, False]
    rest = table[table["arm"] != "r1"]
    kept = judged(pd.concat([rest, table[table["arm"] == "r1"].assign(wer=rest["wer"].mean())]))
    assert (found["diff_high"] - found["diff_low"])["r1"] > (kept["diff_high"] - kept["diff_low"])["r1"]
    assert (found["p"] <= 1).all()


def test_a_complete_design_detects_what_a_study_of_it_says() -> None:
    sizes = detectable_contrasts(
        {each.name: [each.weights.get(arm, 0.0) for arm in ARMS22] for each in TWO_BY_TWO}, 4, 3, 1
    )
    assert sizes is not None
    found = judged(CASES["2x2"][0], TWO_BY_TWO)
    spread = found["detectable"] / pd.Series(sizes)
    assert spread.max() == pytest.approx(spread.min())
    one = detectable_contrasts({"a": [-1.0, 1.0]}, 2, 5, 2)
    assert one is not None
    assert one["a"] == pytest.approx(detectable(Design(1, 5, 2), 1.0), rel=1e-4)
    assert detectable_contrasts({"a": [-1.0, 1.0]}, 2, 1, 2) is None


@pytest.mark.parametrize(("contrasts", "arms"), [(LADDER5, RUNGS), (TWO_BY_TWO, ARMS22), (TWO_BY_THREE, ARMS23)])
def test_false_findings_in_a_family_are_5_percent(contrasts: list[Contrast], arms: list[str]) -> None:
    studies, seeds = 20_000, 3
    weights = np.array([[each.weights.get(arm, 0.0) for arm in arms] for each in contrasts])
    wer = np.random.default_rng(0).normal(size=(studies, len(arms), seeds))
    rest = wer - wer.mean(1, keepdims=True) - wer.mean(2, keepdims=True) + wer.mean((1, 2), keepdims=True)
    df = (len(arms) - 1) * (seeds - 1)
    scale = np.sqrt((weights**2).sum(1) / seeds)
    t = wer.mean(2) @ weights.T / scale / np.sqrt((rest**2).sum((1, 2)) / df)[:, None]
    critical = max_t(weights @ weights.T / seeds / np.outer(scale, scale), df).critical(0.05)
    found = int((abs(t).max(1) > critical).sum())
    assert stats.binomtest(found, studies, 0.05).pvalue > 0.001
