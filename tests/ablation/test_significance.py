"""The test against scipy's Dunnett, Student's t and simulated nulls, and in every corner where numbers are missing."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.dunnett import critical, tail
from ablation.significance import compare, holm

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


ARMS = {"baseline": [0.10, 0.11, 0.105, 0.102], "a": [0.12, 0.131, 0.128, 0.124], "b": [0.101, 0.108, 0.11, 0.099]}


def test_p_and_interval_are_scipys_dunnett() -> None:
    table = compare(counts({"clean": ARMS})).set_index("arm")
    oracle = stats.dunnett(ARMS["a"], ARMS["b"], control=ARMS["baseline"], rng=1)
    interval = oracle.confidence_interval(0.95)
    for place, arm in enumerate(["a", "b"]):
        assert table.loc[arm, "p"] == pytest.approx(oracle.pvalue[place], abs=2e-4)
        assert table.loc[arm, "diff_low"] == pytest.approx(interval.low[place], abs=2e-4)
        assert table.loc[arm, "diff_high"] == pytest.approx(interval.high[place], abs=2e-4)


def test_seeds_may_be_missing() -> None:
    arms = {**ARMS, "a": ARMS["a"][:2], "c": ARMS["b"][:1]}
    table = compare(counts({"clean": arms})).set_index("arm")
    assert table.loc["a", "seeds"] == 2
    assert table.loc["c", "verdict"] == "not judged (one seed)"
    # scipy leaves the single seed out of the spread as well: it adds no freedom
    oracle = stats.dunnett(ARMS["a"][:2], ARMS["b"], control=ARMS["baseline"], rng=1)
    assert table.loc["a", "p"] == pytest.approx(oracle.pvalue[0], abs=3e-4)


@pytest.mark.parametrize(("t", "freedom"), [(12.7, 1), (4.3, 2), (31.6, 2), (2.57, 5), (1.98, 100)])
def test_one_arm_is_students_t(t: float, freedom: int) -> None:
    assert tail(t, (3,), 3, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-4)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize(
    ("sizes", "baseline", "freedom"), [((2, 2), 2, 3), ((3, 3, 3), 3, 8), ((5,) * 9, 5, 40), ((2, 9, 4), 3, 14)]
)
def test_critical_values_leave_alpha_outside_the_box(
    alpha: float, sizes: tuple[int, ...], baseline: int, freedom: int
) -> None:
    """The same chance from scipy's multivariate t, whose box is integrated with random points."""
    loading = np.sqrt([size / (size + baseline) for size in sizes])
    shape = np.outer(loading, loading) + np.diag(1 - loading**2)
    box = np.full(len(sizes), critical(alpha, sizes, baseline, freedom))
    joint = stats.multivariate_t(shape=shape, df=freedom, seed=1)
    assert 1 - joint.cdf(box, lower_limit=-box, maxpts=200_000) == pytest.approx(alpha, rel=0.02)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, math.nan, 0.03]) == pytest.approx([0.03, 0.06, math.nan, 0.06], nan_ok=True)
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_verdicts_respect_the_direction() -> None:
    better = {name: values[::-1] for name, values in ARMS.items()} | {"c": [0.05, 0.052, 0.049, 0.051]}
    table = compare(counts({"clean": better})).set_index("arm")
    assert table.loc["a", "verdict"] == "earns its place"
    assert table.loc["c", "verdict"] == "harmful"
    assert table.loc["b", "verdict"].startswith("no difference shown (would have seen >= ")
    assert table.loc["baseline", "verdict"] == ""


def test_a_difference_of_the_detectable_size_is_found_whatever_the_other_conditions_say() -> None:
    spread = [-0.01, 0.01, 0.0]
    null = {"baseline": [0.2 + s for s in spread], "a": [0.2 + s for s in spread]}
    detectable = compare(counts({"clean": null, "babble_0db": null}))["detectable"].max()
    for factor, found in [(1.01, True), (0.8, False)]:
        shifted = {**null, "a": [0.2 + s + factor * detectable for s in spread]}
        table = compare(counts({"clean": shifted, "babble_0db": null}))
        verdict = table.query("arm == 'a' and condition == 'clean'")["verdict"].item()
        assert (verdict == "earns its place") is found


def test_one_seed_gives_estimates_and_no_verdict() -> None:
    table = compare(counts({"clean": {"baseline": [0.1], "a": [0.3]}})).set_index("arm")
    assert table.loc["a", "difference"] == pytest.approx(0.2)
    assert table.loc["a", "verdict"] == "not judged (one seed)"
    assert table.loc["a", ["wer_low", "wer_high", "diff_low", "diff_high", "p", "p_adjusted"]].isna().all()


def test_a_baseline_with_one_seed_or_none_judges_nobody() -> None:
    one = compare(counts({"clean": {**ARMS, "baseline": [0.1]}})).set_index("arm")
    assert one.loc["a", "verdict"] == "not judged (one seed of the baseline)"
    absent = compare(counts({"clean": {"a": ARMS["a"]}}))
    assert absent["verdict"].tolist() == ["not judged (no trial of the baseline finished)"]
    assert absent["difference"].isna().all()


def test_no_spread_at_all() -> None:
    same = {"baseline": [0.1, 0.1], "a": [0.1, 0.1], "b": [0.2, 0.2]}
    table = compare(counts({"clean": same})).set_index("arm")
    assert table.loc["a", "verdict"] == "no difference shown"
    assert table.loc["b", "verdict"] == "not judged (the seeds show no spread, so chance cannot be gauged)"
    perfect = compare(counts({"clean": {"baseline": [0.0, 0.0], "a": [0.0, 0.0]}}))
    assert perfect["p"].dropna().tolist() == [1.0]


def test_an_infinitesimal_spread_is_none() -> None:
    """Three equal thirds may differ from their mean in the last bit."""
    table = compare(counts({"clean": {"baseline": [1 / 3] * 3, "a": [2 / 3] * 3}}, words=3)).set_index("arm")
    assert table.loc["a", "verdict"].startswith("not judged (the seeds show no spread")


def test_trials_on_different_words_are_refused() -> None:
    frame = pd.concat([counts({"clean": ARMS}), counts({"clean": {"late": [0.1]}}, words=99)])
    with pytest.raises(ValueError, match=r"same utterances, but in 'clean' .*\[99, 10000\]"):
        compare(frame)


def test_rows_come_arm_by_arm_with_the_baseline_first() -> None:
    frame = counts({"clean": dict(reversed(ARMS.items())), "babble_0db": ARMS})
    table = compare(frame)
    assert table["arm"].tolist() == ["baseline"] * 2 + ["b"] * 2 + ["a"] * 2
    assert table["condition"].tolist() == ["clean", "babble_0db"] * 3


@pytest.mark.slow
def test_false_findings_over_arms_stay_within_their_level() -> None:
    """300 studies in which no arm differs: the share with any finding lies within its binomial interval."""
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(300):
        arms = {name: rng.normal(0.2, 0.01, 3).tolist() for name in ("baseline", "a", "b", "c")}
        found += compare(counts({"clean": arms}))["verdict"].isin(["earns its place", "harmful"]).any()
    low, high = stats.binom.interval(0.99, 300, 0.05)
    assert low <= found <= high
