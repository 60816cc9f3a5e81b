"""Dunnett's distribution and the noncentral t against scipy's, whose own integrals are done in other ways."""

import numpy as np
import pytest
from scipy import stats

from ablation.stats.dunnett import critical, noncentral_interval, noncentrality, power, tail

HALF = 0.5**0.5


@pytest.mark.parametrize(("t", "freedom"), [(12.7, 1), (4.3, 2), (31.6, 2), (2.57, 5), (1.98, 100)])
def test_one_arm_is_students_t(t: float, freedom: int) -> None:
    assert tail(t, (HALF,), freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-4)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize(
    ("loadings", "freedom"),
    [((HALF, HALF), 2), ((HALF,) * 3, 6), ((HALF,) * 9, 36), ((0.6325, 0.866, 0.7559), 14)],
)
def test_critical_values_leave_alpha_outside_the_box(alpha: float, loadings: tuple[float, ...], freedom: int) -> None:
    """The same chance from scipy's multivariate t, whose box is integrated with random points."""
    shape = np.outer(loadings, loadings) + np.diag(1 - np.square(loadings))
    box = np.full(len(loadings), critical(alpha, loadings, freedom))
    joint = stats.multivariate_t(shape=shape, df=freedom, seed=1)
    assert 1 - joint.cdf(box, lower_limit=-box, maxpts=200_000) == pytest.approx(alpha, rel=0.02)


@pytest.mark.parametrize(("reach", "delta", "freedom"), [(2.3, 0.0, 8), (2.88, 3.2, 8), (4.3, 5.0, 2), (2.5, 1.0, 40)])
def test_power_is_that_of_the_noncentral_t(reach: float, delta: float, freedom: int) -> None:
    oracle = stats.nct.sf(reach, freedom, delta) + stats.nct.cdf(-reach, freedom, delta)
    assert power(reach, delta, freedom) == pytest.approx(oracle, abs=1e-5)
    assert power(reach, noncentrality(reach, freedom, 0.8), freedom) == pytest.approx(0.8)


@pytest.mark.parametrize(("t", "freedom"), [(0.0, 4), (3.0, 8), (-12.0, 2)])
def test_the_interval_of_an_effect_leaves_its_level_outside(t: float, freedom: int) -> None:
    low, high = noncentral_interval(t, freedom, 0.95)
    assert stats.nct.sf(t, freedom, low) == pytest.approx(0.025, rel=1e-3)
    assert stats.nct.cdf(t, freedom, high) == pytest.approx(0.025, rel=1e-3)
