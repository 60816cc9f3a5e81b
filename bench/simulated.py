"""Simulated error rates of studies whose truth is known, and their least squares, thousands of studies at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SEED_SD, SHARED = 0.003, 0.5  # SHARED: the part of the seeds' variance that moves all arms alike


@dataclass(frozen=True)
class Truth:
    """True differences in points and relative spreads by arm, the baseline first; heavy tails are those of t with 3 df."""

    points: Sequence[float]
    spreads: Sequence[float] = ()
    heavy: bool = False
    conditions: int = 1
    alike: float = 0.8  # correlation of two conditions
    sd: float = SEED_SD


def draw(truth: Truth, seeds: int, studies: int, rng: np.random.Generator) -> np.ndarray:
    """Return WERs (studies, conditions, arms, seeds)."""
    arms, spreads = len(truth.points), truth.spreads or (1.0,) * len(truth.points)

    def noise(conditions: int) -> np.ndarray:
        shape = (studies, conditions, arms, seeds)
        own = rng.standard_t(3, shape) / 3**0.5 if truth.heavy else rng.normal(size=shape)
        shared = rng.normal(size=(studies, conditions, 1, seeds))
        return SHARED**0.5 * shared + (1 - SHARED) ** 0.5 * own * np.array(spreads)[:, None]

    alike = truth.alike if truth.conditions > 1 else 1.0
    wer = alike**0.5 * noise(1) + ((1 - alike) ** 0.5 * noise(truth.conditions) if alike < 1 else 0.0)
    return truth.sd * wer + np.array(truth.points)[:, None] / 100


@dataclass(frozen=True)
class Layout:
    """The trials of one pattern of stops, as linear algebra: which exist, their contrasts, and what least squares leaves."""

    exists: np.ndarray  # (arms, seeds)
    contrasts: np.ndarray  # (arms - 1, trials)
    basis: np.ndarray  # (trials, rank): an orthonormal basis of arms + seeds
    df: int

    @property
    def scale(self) -> np.ndarray:
        """Standard errors of the contrasts, in residual standard deviations."""
        return np.sqrt((self.contrasts**2).sum(1))

    @property
    def correlation(self) -> np.ndarray:
        """The correlation of the contrasts: (arms - 1, arms - 1)."""
        return self.contrasts @ self.contrasts.T / np.outer(self.scale, self.scale)

    def squares(self, wer: np.ndarray) -> np.ndarray:
        """Return the residual sums of squares of WERs (..., arms, seeds)."""
        y = wer[..., self.exists]
        return (y**2).sum(-1) - ((y @ self.basis) ** 2).sum(-1)


@lru_cache(maxsize=4096)
def layout(stops: tuple[int, ...]) -> Layout:
    """Return the layout of arms with these numbers of seeds, the baseline first. An arm with 0 seeds has no trials."""
    return layout_of(stops, np.eye(len(stops))[1:] - np.eye(len(stops))[:1])


def layout_of(stops: tuple[int, ...], weights: np.ndarray) -> Layout:
    """Return the layout of arms with these numbers of seeds, for effects with these weights of the arms (effects, arms)."""
    exists = np.arange(max(stops)) < np.array(stops)[:, None]
    arm, seed = np.nonzero(exists)
    columns = np.hstack([np.eye(len(stops))[arm], np.eye(max(stops))[seed]])
    left, size, _ = np.linalg.svd(columns, full_matrices=False)
    basis = left[:, size > 1e-9]
    return Layout(exists, weights @ np.linalg.pinv(columns)[: len(stops)], basis, len(arm) - basis.shape[1])


def residual_points(wer: np.ndarray) -> np.ndarray:
    """Return WERs minus the first trial of their condition, which keeps the sums of squares exact."""
    return wer - wer[..., :1, :1]


def own_parts(whole: Layout, arm: int) -> tuple[float, ...]:
    """Return the part of one arm's mean square in the variance of every contrast of a layout."""
    mine = np.nonzero(whole.exists)[0] == arm
    left = np.eye(mine.sum()) - whole.basis[mine] @ whole.basis[mine].T
    values = np.linalg.eigvalsh(left)
    return tuple(((whole.contrasts[:, mine] ** 2).sum(1) / values[values > 1e-8].mean()).tolist())
