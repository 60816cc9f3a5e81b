"""The test against scipy's Dunnett and paired t, and in every corner where numbers are missing."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.stats.metrics import METRICS
from ablation.stats.multiplicity import holm
from ablation.stats.power import Design, detectable
from ablation.stats.significance import compare
from ablation.stats.verdict import NotTested, Verdict

WORDS = 10_000


def counts(wers: Mapping[str, Mapping[str, Sequence[float]]], words: int = WORDS) -> pd.DataFrame:
    """Counts whose WERs are those given: condition -> arm -> one WER per seed."""
    rows = [
        (arm, seed, condition, round(wer * words), 0, 0, words)
        for condition, arms in wers.items()
        for arm, values in arms.items()
        for seed, wer in enumerate(values, 1)
    ]
    columns = ["arm", "seed", "condition", "substitutions", "deletions", "insertions", "reference_words"]
    return pd.DataFrame(rows, columns=columns)


def why_not(row: pd.Series) -> NotTested:
    """The reason of a row that has no test."""
    assert row["verdict"] == Verdict.NOT_TESTED
    return NotTested(row["why_not_tested"])


ARMS = {"baseline": [0.10, 0.11, 0.105, 0.102], "a": [0.12, 0.131, 0.128, 0.124], "b": [0.101, 0.108, 0.11, 0.099]}


def test_p_and_interval_are_scipys_dunnett() -> None:
    table = compare(counts({"clean": ARMS}), paired=False).set_index("arm")
    oracle = stats.dunnett(ARMS["a"], ARMS["b"], control=ARMS["baseline"], rng=1)
    interval = oracle.confidence_interval(0.95)
    for place, arm in enumerate(["a", "b"]):
        assert table.loc[arm, "p"] == pytest.approx(oracle.pvalue[place], abs=2e-4)
        assert table.loc[arm, "diff_low"] == pytest.approx(interval.low[place], abs=2e-4)
        assert table.loc[arm, "diff_high"] == pytest.approx(interval.high[place], abs=2e-4)


def test_one_arm_in_pairs_is_the_paired_t_test() -> None:
    row = compare(counts({"clean": {arm: ARMS[arm] for arm in ("baseline", "a")}})).set_index("arm").loc["a"]
    oracle = stats.ttest_rel(ARMS["a"], ARMS["baseline"])
    interval = oracle.confidence_interval(0.95)
    assert row["p"] == pytest.approx(oracle.pvalue, rel=1e-4)
    assert [row["diff_low"], row["diff_high"]] == pytest.approx([interval.low, interval.high], rel=1e-4)


def test_seed_effects_on_all_arms_do_not_widen_differences() -> None:
    luck = np.array([0.03, -0.02, 0.01, -0.02])
    shifted = {arm: (np.array(wers) + luck).tolist() for arm, wers in ARMS.items()}
    before, after = (compare(counts({"clean": arms})).set_index("arm") for arms in (ARMS, shifted))
    for column in ("difference", "p", "detectable", "effect"):
        assert after[column].tolist() == pytest.approx(before[column].tolist(), nan_ok=True)
    assert compare(counts({"clean": shifted}), paired=False)["p"].min() > after["p"].min()


def test_detectable_uses_the_measured_standard_deviation() -> None:
    table = compare(counts({"clean": ARMS, "babble_0db": ARMS})).set_index("arm")
    spread = table.loc["a", "difference"] / table.loc["a", "effect"]  # but for Hedges' correction
    shrink = 1 - 3 / (4 * Design(2, 4, 2).df - 1)
    expected = detectable(Design(2, 4, 2), float(spread.iloc[0]) * shrink)
    assert table.loc["a", "detectable"].tolist() == pytest.approx([expected] * 2, rel=2e-3)


def test_seeds_may_be_missing() -> None:
    arms = {**ARMS, "a": ARMS["a"][:2], "c": ARMS["b"][:1]}
    table = compare(counts({"clean": arms}), paired=False).set_index("arm")
    assert table.loc["a", "seeds"] == 2
    assert why_not(table.loc["c"]) == NotTested.ONE_SEED
    # scipy leaves the single seed out of the spread as well: it adds no degree of freedom
    oracle = stats.dunnett(ARMS["a"][:2], ARMS["b"], control=ARMS["baseline"], rng=1)
    assert table.loc["a", "p"] == pytest.approx(oracle.pvalue[0], abs=3e-4)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, math.nan, 0.03]) == pytest.approx([0.03, 0.06, math.nan, 0.06], nan_ok=True)
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_verdicts_respect_the_direction() -> None:
    better = {name: values[::-1] for name, values in ARMS.items()} | {"c": [0.05, 0.052, 0.049, 0.051]}
    table = compare(counts({"clean": better})).set_index("arm")
    assert table["verdict"].to_dict() == {
        "baseline": "",
        "a": Verdict.WORSE,
        "b": Verdict.INCONCLUSIVE,
        "c": Verdict.BETTER,
    }
    assert table.loc["b", "detectable"] > 0
    assert (table["why_not_tested"] == "").all()


def test_one_seed_gives_estimates_and_no_verdict() -> None:
    table = compare(counts({"clean": {"baseline": [0.1], "a": [0.3]}})).set_index("arm")
    assert table.loc["a", "difference"] == pytest.approx(0.2)
    assert why_not(table.loc["a"]) == NotTested.ONE_SEED
    assert table.loc["a", ["wer_low", "wer_high", "diff_low", "diff_high", "p", "p_adjusted"]].isna().all()


def test_a_baseline_with_one_seed_or_none_judges_nobody() -> None:
    one = compare(counts({"clean": {**ARMS, "baseline": [0.1]}})).set_index("arm")
    assert why_not(one.loc["a"]) == NotTested.ONE_BASELINE_SEED
    absent = compare(counts({"clean": {"a": ARMS["a"]}}))
    assert [why_not(row) for _, row in absent.iterrows()] == [NotTested.NO_BASELINE]
    assert absent["difference"].isna().all()


def test_arms_of_other_seeds_than_the_baselines_cannot_be_paired() -> None:
    frame = counts({"clean": ARMS})
    apart = frame[(frame["arm"] != "a") | (frame["seed"] > 2)]
    apart = apart[(apart["arm"] != "baseline") | (apart["seed"] <= 3)]
    assert why_not(compare(apart).set_index("arm").loc["a"]) == NotTested.ONE_COMMON_SEED
    assert compare(apart, paired=False).set_index("arm").loc["a", "verdict"] != Verdict.NOT_TESTED
    disjoint = apart[(apart["arm"] != "baseline") | (apart["seed"] <= 2)]
    assert why_not(compare(disjoint).set_index("arm").loc["a"]) == NotTested.NO_COMMON_SEED


def equivalence(margin_points: float | None, conditions: int = 1) -> pd.DataFrame:
    arms = {"baseline": ARMS["baseline"], "b": ARMS["b"]}
    table = compare(counts({f"c{n}": arms for n in range(conditions)}), margin_points=margin_points)
    return table[table["arm"] == "b"]


def test_equivalence_is_two_one_sided_tests() -> None:
    differences = np.subtract(ARMS["b"], ARMS["baseline"])
    below = stats.ttest_1samp(differences, 0.02, alternative="less").pvalue
    above = stats.ttest_1samp(differences, -0.02, alternative="greater").pvalue
    assert equivalence(2)["p_equivalent"].item() == pytest.approx(max(below, above))
    assert equivalence(2)["verdict"].item() == Verdict.EQUIVALENT
    assert equivalence(2, 3)["p_equivalent"].tolist() == pytest.approx([3 * max(below, above)] * 3)


def test_no_margin_or_a_narrow_margin_shows_no_equivalence() -> None:
    assert equivalence(None)["p_equivalent"].isna().all()
    assert equivalence(None)["verdict"].item() == Verdict.INCONCLUSIVE
    assert equivalence(0.1)["verdict"].item() == Verdict.INCONCLUSIVE


def test_a_difference_that_is_shown_comes_before_equivalence() -> None:
    assert compare(counts({"clean": ARMS}), margin_points=10).set_index("arm").loc["a", "verdict"] == Verdict.WORSE


def test_characters_can_be_compared_as_words_are() -> None:
    frame = counts({"clean": ARMS})
    names = dict(zip(METRICS["wer"].columns, METRICS["cer"].columns, strict=True))
    both = frame.assign(**{its: frame[mine] // (2 if mine != "reference_words" else 1) for mine, its in names.items()})
    words, characters = (compare(both, metric=metric).set_index("arm") for metric in ("wer", "cer"))
    assert characters.loc["a", "wer"] == pytest.approx(words.loc["a", "wer"] / 2, abs=1e-3)


def test_no_spread_at_all() -> None:
    same = {"baseline": [0.1, 0.1], "a": [0.1, 0.1], "b": [0.2, 0.2]}
    table = compare(counts({"clean": same})).set_index("arm")
    assert table.loc["a", "verdict"] == Verdict.INCONCLUSIVE
    assert math.isnan(table.loc["a", "detectable"])
    assert why_not(table.loc["b"]) == NotTested.NO_SPREAD
    perfect = compare(counts({"clean": {"baseline": [0.0, 0.0], "a": [0.0, 0.0]}}))
    assert perfect["p"].dropna().tolist() == [1.0]


def test_an_infinitesimal_spread_is_none() -> None:
    """Three equal thirds may differ from their mean in the last bit."""
    table = compare(counts({"clean": {"baseline": [1 / 3] * 3, "a": [2 / 3] * 3}}, words=3)).set_index("arm")
    assert why_not(table.loc["a"]) == NotTested.NO_SPREAD


def test_trials_on_different_words_are_refused() -> None:
    frame = pd.concat([counts({"clean": ARMS}), counts({"clean": {"late": [0.1]}}, words=99)])
    with pytest.raises(ValueError, match=r"same utterances, but in 'clean' .*\[99, 10000\]"):
        compare(frame)


def test_rows_come_arm_by_arm_with_the_baseline_first() -> None:
    frame = counts({"clean": dict(reversed(ARMS.items())), "babble_0db": ARMS})
    table = compare(frame)
    assert table["arm"].tolist() == ["baseline"] * 2 + ["b"] * 2 + ["a"] * 2
    assert table["condition"].tolist() == ["clean", "babble_0db"] * 3


def test_nothing_is_tested_where_all_words_are_wrong() -> None:
    """Neither the smallest difference nor equivalence at 100 % says anything about a part."""
    silent = {"baseline": [1.0, 0.999, 1.0], "a": [0.99, 0.991, 0.99], "b": [1.0, 1.0, 1.0], "c": [0.3, 0.31, 0.3]}
    table = compare(counts({"clean": silent, "babble_0db": ARMS}), margin_points=5).set_index(["arm", "condition"])
    for arm in ("a", "b"):
        row = table.loc[arm, "clean"]
        assert (row["verdict"], row["why_not_tested"]) == (Verdict.NOT_TESTED, NotTested.SATURATED)
        assert row[["p", "p_adjusted", "p_equivalent", "detectable", "effect", "diff_low"]].isna().all()
    assert table.loc[("c", "clean"), "verdict"] == Verdict.BETTER
    alone = compare(counts({"babble_0db": ARMS})).set_index("arm")
    assert table.loc[("a", "babble_0db"), "p_adjusted"] == alone.loc["a", "p_adjusted"]


def test_a_baseline_that_works_is_compared_with_an_arm_that_does_not() -> None:
    table = compare(counts({"clean": {"baseline": [0.1, 0.11, 0.1], "a": [1.0, 1.0, 1.0]}})).set_index("arm")
    assert table.loc["a", "verdict"] == Verdict.WORSE
