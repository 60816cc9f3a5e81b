"""The power of a design: against simulated studies that are judged by the test itself, and formulas for one arm."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.stats.dunnett import critical
from ablation.stats.power import Design, Spread, detectable, equivalence_power, ladder, measured_spreads, seeds_needed

SPREAD = 0.003


def studies(design: Design, difference: float, number: int = 40_000) -> tuple[np.ndarray, np.ndarray, int]:
    """Simulated complete studies: the first arm's difference and its standard error, and its degrees of freedom."""
    rng = np.random.default_rng(11)
    wer = rng.normal(0.1, SPREAD, (number, design.arms + 1, design.seeds)) + rng.normal(
        0, 0.01 * design.paired, (number, 1, design.seeds)
    )
    wer[:, 1] += difference
    rest = wer - wer.mean(2, keepdims=True)
    rest -= rest.mean(1, keepdims=True) * design.paired
    df = (design.arms + 1 - design.paired) * (design.seeds - 1)
    error = np.sqrt((rest**2).sum((1, 2)) / df * 2 / design.seeds)
    return (wer[:, 1] - wer[:, 0]).mean(1), error, df


@pytest.mark.parametrize(
    "design", [Design(1, 3, 1), Design(3, 3, 5), Design(9, 5, 5), Design(3, 2, 1), Design(3, 3, 5, paired=False)]
)
def test_the_detectable_difference_has_a_power_of_80_percent(design: Design) -> None:
    wanted = detectable(design, SPREAD)
    assert wanted is not None
    difference, error, df = studies(design, wanted)
    bound = critical(0.05 / design.conditions, (0.5**0.5,) * design.arms, df)
    assert (abs(difference) > bound * error).mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("design", [Design(1, 5, 1), Design(3, 10, 2)])
def test_the_power_of_equivalence_is_that_of_simulated_studies(design: Design) -> None:
    difference, error, df = studies(design, 0.0)
    bound = stats.t.isf(0.05 / design.arms / design.conditions, df)
    shown = (abs(difference) + bound * error < 0.006).mean()
    assert equivalence_power(design, SPREAD, 0.006) == pytest.approx(shown, abs=0.01)


def test_unpaired_trials_have_the_df_of_the_baseline_as_well() -> None:
    assert (Design(3, 3, 1).df, Design(3, 3, 1, paired=False).df) == (6, 8)


def test_one_seed_or_no_arm_detects_nothing() -> None:
    for design in (Design(3, 1, 5), Design(0, 3, 5)):
        assert detectable(design, SPREAD) is None
        assert equivalence_power(design, SPREAD, 0.01) is None


def test_the_seeds_that_are_needed_are_the_fewest() -> None:
    design = Design(3, 2, 5)
    needed = seeds_needed(design, SPREAD, difference=0.01)
    assert needed is not None
    enough, fewer = (detectable(Design(3, seeds, 5), SPREAD) for seeds in (needed, needed - 1))
    assert enough is not None
    assert fewer is not None
    assert enough <= 0.01 < fewer
    assert seeds_needed(design, SPREAD, difference=1e-6) is None
    margin = seeds_needed(design, SPREAD, margin=0.01)
    assert margin is not None
    assert equivalence_power(Design(3, margin, 5), SPREAD, 0.01) >= 0.8  # type: ignore[operator]


def test_the_ladder_costs_what_its_trials_take() -> None:
    steps = ladder(Design(3, 2, 1), {"clean": Spread(SPREAD)}, 1800, [1, 2, 3])
    assert [(step.seeds, step.trials, step.device_hours) for step in steps] == [(1, 4, 2.0), (2, 8, 4.0), (3, 12, 6.0)]
    assert steps[0].detectable == {"clean": None}
    assert ladder(Design(3, 2, 1), {}, None, [2])[0].device_hours is None


def study(rng: np.random.Generator, spread: float, conditions: tuple[str, ...] = ("clean",)) -> pd.DataFrame:
    rows = [
        (arm, seed, condition, 0.1 + luck + rng.normal(0, spread))
        for condition in conditions
        for seed, luck in enumerate(rng.normal(0, 0.02, 20))
        for arm in ("baseline", "a", "b")
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "condition", "wer"])


def test_earlier_studies_are_pooled_without_shared_seed_effects() -> None:
    rng = np.random.default_rng(5)
    found = measured_spreads([study(rng, 0.003, ("clean", "white_0db")), study(rng, 0.003)], "baseline")
    assert found["clean"].df == 2 * 2 * 19
    assert found["white_0db"].df == 2 * 19
    assert found["clean"].wer == pytest.approx(0.003, rel=0.2)
    one_seed = study(rng, 0.003).query("seed == 0")
    assert measured_spreads([one_seed], "baseline") == {}
    assert measured_spreads([], "baseline") == {}
