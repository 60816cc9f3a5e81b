"""Dunnett's distribution: many arms against one baseline, with one variance estimated from all of them.

For k arms of n_i seeds and a baseline of n_0, T_i = (mean_i - mean_0) / (s * sqrt(1/n_i + 1/n_0)). All T_i share the
baseline's mean and the estimate s. Given both they are independent, so that the chance of the largest |T_i| is an
integral over two numbers. It is computed on fixed grids: the same input gives the same p on every machine, and the
critical value is that of the same integral. (scipy's `dunnett` integrates with random points; tests compare the two.)
"""

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import chi

BASELINE_NODES, SPREAD_NODES = 64, 300


def tail(t: float, sizes: tuple[int, ...], baseline_size: int, freedom: int) -> float:
    """The chance that any |T_i| reaches |t| when no arm differs from the baseline.

    `sizes` are the seeds of each arm, `freedom` the degrees of freedom of the estimated variance (1 or more).
    """
    z, weight_z = np.polynomial.hermite_e.hermegauss(BASELINE_NODES)
    s, weight_s = _spread(freedom)
    loadings = np.sqrt(np.array(sizes) / (np.array(sizes) + baseline_size))[:, None, None]  # (k, 1, 1)
    reach = abs(t) * s[None, :, None]
    centre, width = loadings * z[None, None, :], np.sqrt(1 - loadings**2)
    inside = ndtr((reach - centre) / width) - ndtr((-reach - centre) / width)  # (k, spread, baseline)
    beyond = 1 - inside.prod(axis=0)
    return float(np.clip(weight_s @ beyond @ (weight_z / weight_z.sum()), 0, 1))


@lru_cache(maxsize=256)
def critical(alpha: float, sizes: tuple[int, ...], baseline_size: int, freedom: int) -> float:
    """The value that the largest |T_i| reaches with chance `alpha` when no arm differs from the baseline."""

    def excess(log_t: float) -> float:
        return tail(float(np.exp(log_t)), sizes, baseline_size, freedom) - alpha

    return float(np.exp(brentq(excess, np.log(0.1), np.log(1e5), xtol=1e-10)))


@lru_cache(maxsize=64)
def _spread(freedom: int) -> tuple[np.ndarray, np.ndarray]:
    """Grid and weights of s / sigma, even in its logarithm: small spreads, which make large |T|, are not missed."""
    low, high = -20.0, np.log(chi.isf(1e-16, freedom) / np.sqrt(freedom))
    steps = np.linspace(low, high, SPREAD_NODES)
    s = np.exp(steps)
    weight = chi.pdf(s * np.sqrt(freedom), freedom) * np.sqrt(freedom) * s
    return s, weight / weight.sum()
