"""Tails have the digits of scipy.stats."""

import numpy as np
import pytest
from scipy import stats

from ablation.stats import tails

DF = [1, 2, 3.7, 8, 30, 500]
PROBABILITIES = np.array([1e-16, 1e-9, 0.001, 0.01, 0.05 / 3, 0.3, 0.5, 0.9, 0.999])
VALUES = np.array([-40.0, -2.5, -1e-9, 0.0, 0.3, 1.0, 2.776, 12.0, 1e3])
POSITIVE = np.array([1e-9, 0.01, 0.3, 1.0, 2.776, 12.0])


@pytest.mark.parametrize("df", DF)
def test_tails_equal_those_of_scipy_stats(df: float) -> None:
    for name, ours, theirs in (
        ("t.sf", tails.t_sf(VALUES, df), stats.t.sf(VALUES, df)),
        ("t.isf", tails.t_isf(PROBABILITIES, df), stats.t.isf(PROBABILITIES, df)),
        ("t.ppf", tails.t_ppf(PROBABILITIES, df), stats.t.ppf(PROBABILITIES, df)),
        ("f.sf", tails.f_sf(VALUES, df, 7), stats.f.sf(VALUES, df, 7)),
        ("chi2.isf", tails.chi2_isf(PROBABILITIES, df), stats.chi2.isf(PROBABILITIES, df)),
        ("chi.isf", tails.chi_isf(PROBABILITIES, df), stats.chi.isf(PROBABILITIES, df)),
        ("chi.pdf", tails.chi_pdf(POSITIVE, df), stats.chi.pdf(POSITIVE, df)),
    ):
        assert np.array_equal(ours, theirs), name


def test_normal_tails_equal_those_of_scipy_stats() -> None:
    assert np.array_equal(tails.normal_sf(VALUES), stats.norm.sf(VALUES))
    assert np.array_equal(tails.normal_isf(PROBABILITIES), stats.norm.isf(PROBABILITIES))


def test_impossible_probabilities_have_no_value() -> None:
    assert np.isnan(tails.t_isf(1.5, 3))
    assert np.isnan(stats.t.isf(1.5, 3))
