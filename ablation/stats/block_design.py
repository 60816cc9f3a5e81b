"""Arms x seeds as a linear model: differences to the baseline, their joint uncertainty, the spread behind it.

Trials of one seed share initial weights, batch order and noise draws, so a seed is a block: wer = arm + seed + rest (a
randomised block design). Least squares takes the seeds' effects out; what is left over is the spread that a difference
has to be gauged against, pooled over all arms. With every trial there, a difference is the mean of the differences
within seeds, the freedom is arms x (seeds - 1) without counting the baseline as an arm, and two differences have
correlation 1/2, as they share the baseline. A trial that is missing stays missing: the same equations hold for the
trials that are there, with less freedom and other correlations. Without pairing there is one block for all, and the
model is the one-way layout of Dunnett's test.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

NO_SPREAD = 1e-12  # below it, arms differ by rounding


@dataclass(frozen=True)
class Fit:
    """Differences of `arms` to the baseline, by least squares, as fractions.

    `scale[i]` times `spread` is the standard error of `differences[i]`; `correlation` is that of the estimates.
    `spread` is the standard deviation of a trial around arm + seed, with `freedom` degrees of freedom; it is 0 where
    there is none to be seen.
    """

    arms: tuple[str, ...]
    differences: np.ndarray  # (k,)
    scale: np.ndarray  # (k,)
    correlation: np.ndarray  # (k, k)
    spread: float
    freedom: int


def fit(trials: pd.DataFrame, baseline: str, judged: list[str], *, paired: bool) -> Fit:
    """Fit trials with the columns arm, seed and wer, one row each; contrasts are `judged` against `baseline`.

    Every arm in the table adds to the spread. Raises ValueError if an arm of `judged` is not connected to the baseline
    by seeds, so that its difference cannot be estimated.
    """
    arms = list(dict.fromkeys([baseline, *judged, *trials["arm"]]))
    is_arm = trials["arm"].to_numpy()[:, None] == np.array(arms)[None]  # (trials, arms)
    blocks = trials["seed"].to_numpy() if paired else np.zeros(len(trials))
    wer = _within(trials["wer"].to_numpy(float)[:, None], blocks)[:, 0]
    design = _within(is_arm.astype(float), blocks)
    inverse = np.linalg.pinv(design.T @ design, rcond=1e-10, hermitian=True)
    effects = inverse @ design.T @ wer
    contrasts = np.eye(len(arms))[1 : 1 + len(judged)] - np.eye(len(arms))[0]  # (k, arms)
    known = design.T @ design @ inverse
    if not np.allclose(contrasts @ known, contrasts, atol=1e-6):
        raise ValueError(f"an arm of {judged} shares no seed with {baseline!r}, even by way of others")
    covariance = contrasts @ inverse @ contrasts.T
    scale = np.sqrt(covariance.diagonal())
    freedom = len(trials) - len(np.unique(blocks)) - int(np.linalg.matrix_rank(known, tol=1e-6))
    left = wer - design @ effects
    spread = math.sqrt(left @ left / freedom) if freedom > 0 else 0.0
    return Fit(
        tuple(judged),
        contrasts @ effects,
        scale,
        covariance / np.outer(scale, scale),
        spread if spread > NO_SPREAD else 0.0,
        max(freedom, 0),
    )


def _within(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Values (n, m) less the mean of their block."""
    _, place = np.unique(blocks, return_inverse=True)
    sums = np.zeros((place.max() + 1, values.shape[1]))
    np.add.at(sums, place, values)
    return values - (sums / np.bincount(place)[:, None])[place]


def loadings(correlation: np.ndarray) -> tuple[float, ...]:
    """Numbers l such that l_i * l_j is the correlation of differences i and j (k, k), or comes closest to it.

    It is exact for complete studies and for unpaired ones. With trials missing it is the factor analytic approximation
    (Hsu, J. Comp. Graph. Stat. 1, 1992), good to the third digit of p.
    """
    k = len(correlation)
    if k == 1:
        return (0.0,)
    above = np.triu_indices(k, 1)

    def error(guess: np.ndarray) -> np.ndarray:
        return np.outer(guess, guess)[above] - correlation[above]

    start = np.full(k, math.sqrt(np.clip(correlation[above].mean(), 0.01, 0.98)))
    found = least_squares(error, start, bounds=(0, 0.9999), xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    return tuple(round(float(value), 9) for value in found)
