"""Doubts about the pooled spread, against scipy's tests of the two arms alone and formulas by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.stats.spreads import doubts, own, varies_more
from ablation.stats.verdict import Caution

ARMS = ["baseline", "a", "b", "c"]


def trials(factors: dict[str, float], seeds: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = [(arm, seed, 0.1 + 0.003 * factors.get(arm, 1) * rng.normal()) for arm in ARMS for seed in range(seeds)]
    return pd.DataFrame(rows, columns=["arm", "seed", "wer"])


def test_one_arm_against_the_rest_is_an_f_test() -> None:
    """The contrast of the arm with the others' mean, and what the others leave among themselves."""
    table = trials({})
    wide = table.pivot_table(index="seed", columns="arm", values="wer")
    others = wide.drop(columns="a")
    contrast = (wide["a"] - others.mean(axis=1)).var() * 3 / 4  # of variance 1 where all arms' are 1
    rest = others.sub(others.mean(axis=1), axis=0)
    left = ((rest - rest.mean()) ** 2).to_numpy().sum() / (2 * 5)
    assert varies_more(table, "a", paired=True) == pytest.approx(stats.f.sf(contrast / left, 5, 10))
    variance = table[table["arm"] == "a"]["wer"].var()
    within = table[table["arm"] != "a"].groupby("arm")["wer"].var().mean()
    assert varies_more(table, "a", paired=False) == pytest.approx(stats.f.sf(variance / within, 5, 15))


@pytest.mark.parametrize("paired", [True, False])
def test_who_varies_more_is_doubted(paired: bool) -> None:
    judged = ARMS[1:]
    assert doubts(trials({}), "baseline", judged, paired=paired) == {}
    assert doubts(trials({"b": 12}), "baseline", judged, paired=paired) == {"b": Caution.ARM_VARIES}
    assert doubts(trials({"baseline": 12}), "baseline", judged, paired=paired) == dict.fromkeys(
        judged, Caution.BASELINE_VARIES
    )


def test_two_paired_arms_or_single_trials_cannot_be_doubted() -> None:
    table = trials({"a": 50})
    assert doubts(table[table["arm"].isin(["baseline", "a"])], "baseline", ["a"], paired=True) == {}
    assert varies_more(table[table["seed"] == 0], "a", paired=True) == 1.0
    assert varies_more(table[table["arm"] == "a"], "a", paired=True) == 1.0
    assert varies_more(table.assign(wer=0.1), "a", paired=True) == 1.0


def test_an_arm_that_alone_varies_is_doubted() -> None:
    table = trials({})
    table.loc[table["arm"] != "b", "wer"] = 0.1
    assert doubts(table, "baseline", ["a", "b", "c"], paired=True) == {"b": Caution.ARM_VARIES}


def test_the_own_error_is_that_of_the_paired_and_welchs_t_test() -> None:
    table = trials({"a": 3}).drop(index=2)  # a trial of the baseline is missing
    arm, base = (table[table["arm"] == name].set_index("seed")["wer"] for name in ("a", "baseline"))
    found = own(table, "a", "baseline", paired=True)
    oracle = stats.ttest_rel(arm[base.index], base)
    assert (found.difference / found.error, found.df) == pytest.approx((oracle.statistic, oracle.df))
    found = own(table, "a", "baseline", paired=False)
    oracle = stats.ttest_ind(arm, base, equal_var=False)
    assert (found.difference / found.error, found.df) == pytest.approx((oracle.statistic, oracle.df))
