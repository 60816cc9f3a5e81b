"""Dunnett's distribution and the noncentral t against scipy's, whose own integrals are done in other ways."""

import numpy as np
import pytest
from scipy import stats

from ablation.stats.dunnett import critical, noncentral_interval, noncentrality, power, tail
from ablation.stats.max_t import max_t

HALF = 0.5**0.5


@pytest.mark.parametrize(("t", "df"), [(12.7, 1), (4.3, 2), (31.6, 2), (2.57, 5), (1.98, 100)])
def test_one_arm_is_students_t(t: float, df: int) -> None:
    assert tail(t, (HALF,), df) == pytest.approx(2 * stats.t.sf(t, df), rel=1e-4)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize(
    ("loadings", "df"),
    [((HALF, HALF), 2), ((HALF,) * 3, 6), ((HALF,) * 9, 36), ((0.6325, 0.866, 0.7559), 14)],
)
def test_critical_values_leave_alpha_outside_the_box(alpha: float, loadings: tuple[float, ...], df: int) -> None:
    """The same chance from scipy's multivariate t, whose box is integrated with random points."""
    shape = np.outer(loadings, loadings) + np.diag(1 - np.square(loadings))
    box = np.full(len(loadings), critical(alpha, loadings, df))
    joint = stats.multivariate_t(shape=shape, df=df, seed=1)
    assert 1 - joint.cdf(box, lower_limit=-box, maxpts=200_000) == pytest.approx(alpha, rel=0.02)


@pytest.mark.parametrize(("bound", "delta", "df"), [(2.3, 0.0, 8), (2.88, 3.2, 8), (4.3, 5.0, 2), (2.5, 1.0, 40)])
def test_power_is_that_of_the_noncentral_t(bound: float, delta: float, df: int) -> None:
    oracle = stats.nct.sf(bound, df, delta) + stats.nct.cdf(-bound, df, delta)
    assert power(bound, delta, df) == pytest.approx(oracle, abs=1e-5)
    assert power(bound, noncentrality(bound, df, 0.8), df) == pytest.approx(0.8)


@pytest.mark.parametrize(("t", "df"), [(0.0, 4), (3.0, 8), (-12.0, 2)])
def test_the_interval_of_an_effect_leaves_its_level_outside(t: float, df: int) -> None:
    low, high = noncentral_interval(t, df, 0.95)
    assert stats.nct.sf(t, df, low) == pytest.approx(0.025, rel=1e-3)
    assert stats.nct.cdf(t, df, high) == pytest.approx(0.025, rel=1e-3)


@pytest.mark.parametrize("alpha", [5e-6, 1e-7])
def test_critical_values_of_strict_levels_with_one_degree_of_freedom(alpha: float) -> None:
    """The first look of many is that strict. One arm's T has Student's distribution."""
    expected = stats.t.isf(alpha / 2, 1)
    assert critical(alpha, (0.0,), 1) == pytest.approx(expected, rel=0.02)
    assert max_t(np.eye(1), 1).critical(alpha) == pytest.approx(expected, rel=0.001)
