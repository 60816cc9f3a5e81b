"""Arms of two studies against themselves: the classic t tests where those hold, and rare false alarms."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.stats.scoring import COUNTS
from ablation.stats.two_studies import compare_studies
from ablation.stats.verdict import Verdict

WORDS = 100_000


def counts(rates: dict[str, dict[int, float]], conditions: int = 1) -> pd.DataFrame:
    rows = [
        (arm, seed, f"c{n}", round(WORDS * rate), 0, 0, WORDS)
        for n in range(conditions) for arm, of in rates.items() for seed, rate in of.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["arm", "seed", "condition", *COUNTS])


def drawn(rng: np.random.Generator, arms: int, seeds: range, alike: float, own: float) -> pd.DataFrame:
    """`alike` is the SD of what a seed does to all arms, `own` of what it does to one."""
    shared = {seed: rng.normal(0.15, alike) for seed in seeds}
    return counts({f"a{n}": {seed: shared[seed] + rng.normal(0, own) for seed in seeds} for n in range(arms)})


BEFORE, AFTER = {1: 0.10, 2: 0.12, 3: 0.11}, {1: 0.14, 2: 0.15, 3: 0.16}


@pytest.mark.parametrize(
    ("seeds", "test"),
    [((1, 2, 3), stats.ttest_rel), ((4, 5, 6), lambda after, before: stats.ttest_ind(after, before, equal_var=False))],
)
def test_one_arm_alone_gets_the_t_test_that_fits_its_seeds(seeds: tuple[int, ...], test: Callable[..., object]) -> None:
    later = counts({"a": dict(zip(seeds, AFTER.values(), strict=True))})
    [row] = compare_studies(counts({"a": BEFORE}), later, ["a"]).to_dict("records")
    reference = test(list(AFTER.values()), list(BEFORE.values()))
    assert row["p"] == pytest.approx(reference.pvalue)  # type: ignore[attr-defined]
    expected = reference.confidence_interval(0.95)  # type: ignore[attr-defined]
    assert (row["diff_low"], row["diff_high"]) == pytest.approx((expected.low, expected.high))
    assert row["difference"] == pytest.approx(0.04)
    assert row["paired"] is (seeds == (1, 2, 3))


def test_only_seeds_of_both_studies_count_in_pairs() -> None:
    [row] = compare_studies(counts({"a": BEFORE}), counts({"a": {**AFTER, 4: 0.9}}), ["a"]).to_dict("records")
    assert (row["seeds_before"], row["seeds"], row["wer"]) == (3, 3, pytest.approx(0.15))


def test_the_same_trials_are_no_evidence_of_the_variance() -> None:
    alone = compare_studies(counts({"a": BEFORE}), counts({"a": AFTER}), ["a"])
    both = compare_studies(counts({"a": BEFORE, "b": BEFORE}), counts({"a": AFTER, "b": BEFORE}), ["b", "a"])
    assert both["arm"].tolist() == ["b", "a"]
    assert both["same_trials"].tolist() == [True, False]
    assert both["verdict"].tolist() == [Verdict.NOT_TESTED, Verdict.WORSE]
    assert np.isnan(both["p"][0])
    pd.testing.assert_frame_equal(both[1:].reset_index(drop=True), alone)


def test_one_seed_or_no_spread_is_not_judged() -> None:
    one = compare_studies(counts({"a": BEFORE}), counts({"a": {9: 0.2}}), ["a"])
    none = compare_studies(counts({"a": {1: 0.1, 2: 0.1}}), counts({"a": {1: 0.2, 2: 0.2}}), ["a"])
    assert one["verdict"].tolist() == none["verdict"].tolist() == [Verdict.NOT_TESTED]
    assert not one["same_trials"].any()


@pytest.mark.parametrize("start", [0, 100], ids=["paired", "independent"])
def test_false_alarms_are_no_more_frequent_than_promised(start: int) -> None:
    rng, studies = np.random.default_rng(1), 80
    found = [
        compare_studies(drawn(rng, 4, range(3), 0.003, 0.003), drawn(rng, 4, range(start, start + 3), 0.003, 0.003),
                        [f"a{n}" for n in range(4)])["verdict"].isin([Verdict.BETTER, Verdict.WORSE]).any()
        for _ in range(studies)
    ]  # fmt: skip
    assert sum(found) <= stats.binom.ppf(0.999, studies, 0.05)
    assert any(found)
