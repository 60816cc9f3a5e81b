"""The largest |T| of several contrasts that share one estimated variance: the multivariate t distribution.

T_i is an estimate over its standard error. The T_i have the correlations of the estimates, of any form, and one variance with `df`
degrees of freedom. (Arms against one baseline have correlations of a simpler form: `ablation.stats.dunnett`.) A vector of T is a
length times a direction. The direction is uniform on a sphere after a rotation and does not depend on the length, whose square over
the number of dimensions has an F distribution. So the probability of a large T is the mean, over directions, of a tail of F (Genz
and Bretz, *Computation of Multivariate Normal and t Probabilities*, 2009, section 4.1). The directions are quasi-random points.
The same input gives the same p on every machine, and small p have small errors, since every direction contributes.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import fdtrc, ndtri

from ablation.stats.dunnett import solved

POINTS = 15  # 2**15 directions: at p = 0.05, p of ten contrasts is accurate to 0.0002
NO_DIMENSION = 1e-9  # eigenvalues of a correlation below it are rounding errors


@dataclass(frozen=True)
class AnyDf:
    """The distribution of the largest |T| of contrasts with a correlation (k, k), for any degrees of freedom."""

    correlation: np.ndarray
    seed: int = 0

    @property
    def size(self) -> int:
        """The number of contrasts."""
        return len(self.correlation)

    def tail(self, t: float, df: float) -> float:
        """As `MaxT.tail`."""
        return max_t(self.correlation, df, self.seed).tail(t)

    def critical(self, alpha: float, df: float) -> float:
        """As `MaxT.critical`."""
        return max_t(self.correlation, df, self.seed).critical(alpha)


class MaxT:
    """The distribution of the largest |T| of contrasts with `df` degrees of freedom.

    `reach` has the largest |T| for vectors of length 1 in several directions of so many `dimensions`.
    """

    def __init__(self, reach: np.ndarray, dimensions: int, df: float) -> None:
        self._reach, self.dimensions, self.df = reach, dimensions, df

    def tail(self, t: float) -> float:
        """Return the probability that any |T_i| reaches |t| when all contrasts are zero."""
        return float(fdtrc(self.dimensions, self.df, (t / self._reach) ** 2 / self.dimensions).mean())

    @lru_cache(maxsize=8)  # noqa: B019 (the owner is cached itself)
    def critical(self, alpha: float) -> float:
        """Return the value that the largest |T_i| reaches with probability `alpha` when all contrasts are zero."""
        return solved(self.tail, alpha, 1e-8)


@lru_cache(maxsize=64)
def _cached(correlation: bytes, df: float, seed: int, points: int) -> MaxT:
    return MaxT(*_reach(correlation, seed, points), df)


@lru_cache(maxsize=16)
def _reach(correlation: bytes, seed: int, points: int) -> tuple[np.ndarray, int]:
    """Return the largest |T| for vectors of length 1, and their dimensions."""
    from scipy.stats import qmc  # this import takes a second, and few studies have contrasts

    flat = np.frombuffer(correlation)
    k = round(len(flat) ** 0.5)
    values, vectors = np.linalg.eigh(flat.reshape(k, k))
    root = vectors[:, values > NO_DIMENSION] * np.sqrt(values[values > NO_DIMENSION])  # (k, dimensions)
    dimensions = root.shape[1]
    drawn = ndtri(qmc.Sobol(dimensions, rng=np.random.default_rng(seed)).random_base2(points))
    directions = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return abs(directions @ root.T).max(axis=1), dimensions


def max_t(correlation: np.ndarray, df: float, seed: int = 0, points: int = POINTS) -> MaxT:
    """Return the distribution for a correlation (k, k); `seed` decides the directions, 2**`points` of them."""
    return _cached(np.round(correlation, 12).tobytes(), df, seed, points)
