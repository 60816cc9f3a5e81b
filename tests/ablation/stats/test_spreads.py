"""Doubts about the pooled spread, and the test with separate spreads, against formulas by hand and simulated studies."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.stats.block_design import model
from ablation.stats.dunnett import ManyToOne
from ablation.stats.separate_spreads import careful
from ablation.stats.spreads import DOUBT, apart, doubts
from ablation.stats.verdict import Caution

ARMS = ["baseline", "a", "b", "c"]


def trials(factors: dict[str, float], seeds: int = 6) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = [(arm, seed, 0.1 + 0.003 * factors.get(arm, 1) * rng.normal()) for arm in ARMS for seed in range(seeds)]
    return pd.DataFrame(rows, columns=["arm", "seed", "wer"])


def varies_more(table: pd.DataFrame, arm: str, *, paired: bool) -> float:
    """p of the hypothesis that an arm varies no more than the others; 1 where this cannot be tested."""
    found = apart(model(table, paired=paired), arm)
    return 1.0 if found is None else found.p


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


def cautions(table: pd.DataFrame, judged: list[str], *, paired: bool = True, wary: bool = False) -> dict[str, Caution]:
    found = doubts(model(table, ["baseline", *judged], paired=paired), "baseline", judged, wary=wary)
    return {arm: doubt.caution for arm, doubt in found.items()}


@pytest.mark.parametrize("paired", [True, False])
def test_who_varies_more_is_doubted(paired: bool) -> None:
    judged = ARMS[1:]
    assert Caution.ARM_VARIES not in cautions(trials({}, seeds=5), judged, paired=paired).values()
    assert Caution.BASELINE_VARIES not in cautions(trials({}, seeds=5), judged, paired=paired).values()
    assert cautions(trials({"b": 12}), judged, paired=paired) == {"b": Caution.ARM_VARIES}
    assert cautions(trials({"baseline": 12}), judged, paired=paired) == dict.fromkeys(judged, Caution.BASELINE_VARIES)


def test_weak_evidence_decides_with_six_seeds_or_if_asked() -> None:
    table = next(
        table
        for table in (trials({"b": 2 + size / 10}, seeds=3) for size in range(100))
        if DOUBT / 4 < varies_more(table, "b", paired=True) < 0.1
    )
    assert cautions(table, ["b"]) == {"b": Caution.SPREADS_UNSURE}
    assert cautions(table, ["b"], wary=True) == {"b": Caution.ARM_VARIES}
    more = pd.concat([table, table.assign(seed=table["seed"] + 3)])
    assert cautions(more, ["b"]) == {"b": Caution.ARM_VARIES}


def test_two_paired_arms_or_single_trials_cannot_be_doubted() -> None:
    table = trials({"a": 50})
    assert cautions(table[table["arm"].isin(["baseline", "a"])], ["a"]) == {}
    assert varies_more(table[table["seed"] == 0], "a", paired=True) == 1.0
    assert varies_more(table[table["arm"] == "a"], "a", paired=True) == 1.0
    assert varies_more(table.assign(wer=0.1), "a", paired=True) == 1.0


def test_an_arm_that_alone_varies_is_doubted() -> None:
    table = trials({})
    table.loc[table["arm"] != "b", "wer"] = 0.1
    assert cautions(table, ["a", "b", "c"]) == {"b": Caution.ARM_VARIES}


@pytest.mark.parametrize("paired", [True, False])
def test_separate_variances_are_those_that_made_the_trials(paired: bool) -> None:
    """The mean of squared errors over simulated studies is the variance of the difference, also with a missing trial."""
    rng, found, truth = np.random.default_rng(1), [], []
    table = trials({}, seeds=4).drop(index=[2, 9])
    spread = table["arm"].map({"a": 3.0}).fillna(1.0)
    for _ in range(400):
        fitted = model(table.assign(wer=spread * rng.normal(size=len(table))), ARMS, paired=paired)
        weights = fitted.against("baseline", ["a"])
        each = apart(fitted, "a")
        assert each is not None
        found.append(each.error(fitted.coefficients(weights)[0])[0] ** 2)
        truth.append(float((weights @ fitted.effects)[0]) ** 2)
    assert np.mean(found) == pytest.approx(np.mean(truth), rel=0.15)


def test_unpaired_the_second_test_is_welchs_with_a_pooled_variance() -> None:
    table = trials({"a": 3})
    fitted = model(table, ARMS, paired=False)
    each = apart(fitted, "a")
    assert each is not None
    error, df = each.error(fitted.coefficients(fitted.against("baseline", ["a"]))[0])
    own = table[table["arm"] == "a"]["wer"].var() / 6
    rest = table[table["arm"] != "a"].groupby("arm")["wer"].var().mean() / 6
    assert error == pytest.approx((own + rest) ** 0.5)
    assert df == pytest.approx((own + rest) ** 2 / (own**2 / 5 + rest**2 / 15), abs=1e-3)


def test_the_stricter_of_two_tests_counts() -> None:
    fitted = model(trials({"b": 12}), ARMS, paired=True)
    [doubt] = doubts(fitted, "baseline", ["b"]).values()
    joint, coefficients = ManyToOne((0.5**0.5,) * 3), fitted.coefficients(fitted.against("baseline", ["b"]))[0]
    tests = {
        "difference": 0.03,
        "diff_low": 0.01,
        "diff_high": 0.05,
        "p": 0.01,
        "detectable": 0.02,
        "p_equivalent": 0.5,
    }
    found = careful(tests, doubt, coefficients, joint, 1, 0.05)
    error, df = doubt.spreads[0].error(coefficients)
    assert found["p"] == pytest.approx(max(0.01, joint.tail(0.03 / error, df)))
    assert found["diff_high"] == pytest.approx(0.03 + joint.critical(0.05, df) * error)
    assert found["p_equivalent"] >= 0.5
    assert found["caution"] == Caution.ARM_VARIES
    unsure = replace(doubt, caution=Caution.SPREADS_UNSURE, decides=False)
    assert careful(tests, unsure, coefficients, joint, 1, 0.05) == tests | {"caution": Caution.SPREADS_UNSURE}
    assert careful(tests | {"p": 0.2}, unsure, coefficients, joint, 1, 0.05)["caution"] == ""
