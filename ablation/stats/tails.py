"""Tails of distributions by scipy.special: the same digits as scipy.stats, whose import takes a second of every command.

`sf` is the probability above x, `isf` the x with a given probability above it. Arguments are numbers or arrays.
"""

import math
from typing import Any

import numpy as np
from scipy.special import chdtri, fdtrc, gammainccinv, gammaln, ndtr, ndtri, stdtr, stdtrit, xlogy

Values = Any  # a number, or an array of numbers


def t_sf(t: Values, df: float) -> Values:
    """Return the upper tail of Student's t."""
    return stdtr(df, -t)


def t_isf(q: Values, df: float) -> Values:
    """Return the t with the upper tail `q`."""
    return -stdtrit(df, q)


def t_ppf(p: Values, df: float) -> Values:
    """Return the t with the lower tail `p`."""
    return stdtrit(df, p)


def f_sf(x: Values, df: float, rest_df: float) -> Values:
    """Return the upper tail of F; 1 for x below 0."""
    return fdtrc(df, rest_df, np.maximum(x, 0.0))


def normal_sf(z: Values) -> Values:
    """Return the upper tail of the normal distribution."""
    return ndtr(-z)


def normal_isf(q: Values) -> Values:
    """Return the z with the upper tail `q`."""
    return -ndtri(q)


def chi2_isf(q: Values, df: float) -> Values:
    """Return the value of chi squared with the upper tail `q`."""
    return chdtri(df, q)


def chi_isf(q: Values, df: float) -> Values:
    """Return the value of chi, the root of chi squared, with the upper tail `q`."""
    return np.sqrt(2 * gammainccinv(0.5 * df, q))


def chi_pdf(x: Values, df: float) -> Values:
    """Return the density of chi, for x above 0."""
    constant = math.log(2) - 0.5 * math.log(2) * df - gammaln(0.5 * df)
    return np.exp(constant + xlogy(df - 1.0, x) - 0.5 * x**2)
