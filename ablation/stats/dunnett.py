"""Dunnett's distribution: many arms against one baseline, with one variance estimated from all of them.

T_i = difference_i / (standard error_i) for k arms. All T_i share the baseline's mean and the estimated variance. Two of them have
correlation l_i * l_j, where l are the arms' `loadings`: sqrt(1/2) each when every arm was trained with every seed,
sqrt(n_i / (n_i + n_0)) for unpaired arms of n_i seeds and a baseline of n_0. Given what they share, they are independent, so the
distribution of the largest |T_i| is an integral over two numbers. It is computed on fixed grids: the same input gives the same p
on every machine, and the critical value comes from the same integral. (scipy's `dunnett` integrates with random points; tests
compare the two. Dunnett, J. Am. Stat. Assoc. 50, 1955.)
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from ablation.stats import tails

BASELINE_NODES, SD_NODES, NEGLIGIBLE = 64, 300, 1e-30
USUAL_T, MOST_T = 1e5, 1e9  # the larger one for strict levels of looks with one or two degrees of freedom


@dataclass(frozen=True)
class ManyToOne:
    """Dunnett's distribution for some arms, with any degrees of freedom."""

    loadings: tuple[float, ...]

    @property
    def size(self) -> int:
        """The number of arms."""
        return len(self.loadings)

    def tail(self, t: float, df: float) -> float:
        """As `tail`."""
        return tail(t, self.loadings, df)

    def critical(self, alpha: float, df: float) -> float:
        """As `critical`."""
        return critical(alpha, self.loadings, df)


def tail(t: float, loadings: tuple[float, ...], df: float) -> float:
    """Return the probability that any |T_i| reaches |t| when no arm differs from the baseline.

    `loadings` has a number for each arm; `df` are the degrees of freedom of the estimated variance (1 or more).
    """
    z, weight_z = _baseline_grid()
    s, weight_s = _sd_grid(df)
    bound, inside = abs(t) * s[:, None], np.ones((len(s), len(z)))
    for shared, arms in Counter(loadings).items():  # arms with the same loading have the same factor
        centre, width = shared * z, math.sqrt(1 - shared**2)
        inside *= (ndtr((bound - centre) / width) - ndtr((-bound - centre) / width)) ** arms
    return float(np.clip(weight_s @ (1 - inside) @ weight_z, 0, 1))


@lru_cache(maxsize=256)
def critical(alpha: float, loadings: tuple[float, ...], df: float) -> float:
    """Return the value that the largest |T_i| reaches with probability `alpha` when no arm differs from the baseline."""
    return solved(lambda t: tail(t, loadings, df), alpha, 1e-10)


def solved(tail: Callable[[float], float], alpha: float, tolerance: float) -> float:
    """Return the t with `tail(t)` = `alpha`, which is positive; `tail` falls. `tolerance` is that of log(t)."""
    high = USUAL_T if tail(USUAL_T) <= alpha else MOST_T
    return float(
        np.exp(brentq(lambda log_t: tail(float(np.exp(log_t))) - alpha, np.log(0.1), np.log(high), xtol=tolerance))
    )


@lru_cache(maxsize=1)
def _baseline_grid() -> tuple[np.ndarray, np.ndarray]:
    """Positive nodes of a standard normal number with the weights of both signs, for functions that are even in it."""
    z, weight = np.polynomial.hermite_e.hermegauss(BASELINE_NODES)
    return z[z > 0], 2 * weight[z > 0] / weight.sum()


@lru_cache(maxsize=64)
def _sd_grid(df: float) -> tuple[np.ndarray, np.ndarray]:
    """Grid and weights of s / sigma, even in its logarithm, so that small s, which make large |T|, are covered.

    Nodes that change no probability by more than `NEGLIGIBLE` are left out: nine of ten if there are many degrees of freedom.
    """
    low, high = -20.0, np.log(tails.chi_isf(1e-16, df) / np.sqrt(df))
    steps = np.linspace(low, high, SD_NODES)
    s = np.exp(steps)
    weight = tails.chi_pdf(s * np.sqrt(df), df) * np.sqrt(df) * s
    weight /= weight.sum()
    return s[weight > NEGLIGIBLE], weight[weight > NEGLIGIBLE]


def power(critical_value: float, noncentrality: float, df: float) -> float:
    """Return the probability that one |T| reaches the critical value for a difference of `noncentrality` standard errors."""
    return 1 - float(_between(-critical_value, critical_value, noncentrality, df))


@lru_cache(maxsize=256)
def noncentrality(critical_value: float, df: float, wanted: float) -> float:
    """Return the difference, in standard errors, that reaches the critical value with the probability `wanted`."""

    def excess(delta: float) -> float:
        return power(critical_value, delta, df) - wanted

    return float(brentq(excess, 0, 10 * critical_value + 10, xtol=1e-8))


def noncentral_interval(t: float, df: int, level: float) -> tuple[float, float]:
    """Return the confidence interval of the noncentrality for an observed T of `t`.

    The exact interval of a standardised effect (Steiger and Fouladi 1997).
    """
    outside, limit = (1 - level) / 2, 10 * abs(t) + 20

    def end(probability: float) -> float:
        return float(brentq(lambda delta: _between(-np.inf, t, delta, df) - probability, -limit, limit, xtol=1e-8))

    return end(1 - outside), end(outside)


def _between(low: float, high: float, delta: float, df: float) -> float:
    """The probability of low < T < high for a noncentral t; `ndtr` of an infinite end is 0 or 1."""
    s, weight = _sd_grid(df)
    return float(weight @ (ndtr(high * s - delta) - ndtr(low * s - delta)))


def within(margin: float, critical_value: float, df: int) -> float:
    """Return the probability of |Z| + critical_value * s < margin; Z is standard normal, s the estimated sd over the true one.

    That is the power of two one-sided tests when there is no difference; `margin` is in true standard errors.
    """
    s, weight = _sd_grid(df)
    room = np.maximum(margin - critical_value * s, 0)
    return float(weight @ (ndtr(room) - ndtr(-room)))
