"""Arms x seeds as a linear model: differences to the baseline, their joint uncertainty, and the residual variance.

Trials of one seed share initial weights, batch order and noise draws, so a seed is a block: wer = arm + seed + residual (a
randomised block design). Least squares removes the effects of the seeds. The residual standard deviation, pooled over all arms,
is the yardstick for differences. In a complete study, a difference is the mean of the differences within seeds, the degrees of
freedom are arms x (seeds - 1) without counting the baseline as an arm, and two differences have correlation 1/2, as they share
the baseline. Missing trials are not filled in: the same equations hold for the trials that exist, with fewer degrees of freedom
and other correlations. Without pairing there is one block for all trials, and the model is the one-way layout of Dunnett's test.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

NO_SD = 1e-12  # below it, trials differ by rounding only


@dataclass(frozen=True)
class Fit:
    """Differences of `arms` to the baseline, by least squares, as fractions.

    `scale[i]` times `sd` is the standard error of `differences[i]`; `correlation` is that of the estimates. `sd` is the standard
    deviation of a trial around arm + seed, with `df` degrees of freedom; it is 0 where nothing varies or none are left.
    """

    arms: tuple[str, ...]
    differences: np.ndarray  # (k,)
    scale: np.ndarray  # (k,)
    correlation: np.ndarray  # (k, k)
    sd: float
    df: int


def fit(trials: pd.DataFrame, baseline: str, judged: list[str], *, paired: bool) -> Fit:
    """Fit trials with the columns arm, seed and wer, one row each; contrasts are `judged` against `baseline`.

    Every arm in the table adds to `sd`. Raises ValueError if an arm of `judged` is not connected to the baseline by seeds, so
    that its difference cannot be estimated.
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
        raise ValueError(f"an arm of {judged} shares no seed with {baseline!r}, not even through other arms")
    covariance = contrasts @ inverse @ contrasts.T
    scale = np.sqrt(covariance.diagonal())
    df = len(trials) - len(np.unique(blocks)) - int(np.linalg.matrix_rank(known, tol=1e-6))
    residuals = wer - design @ effects
    sd = math.sqrt(residuals @ residuals / df) if df > 0 else 0.0
    return Fit(
        tuple(judged),
        contrasts @ effects,
        scale,
        covariance / np.outer(scale, scale),
        sd if sd > NO_SD else 0.0,
        max(df, 0),
    )


def _within(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Values (n, m) minus the mean of their block."""
    _, place = np.unique(blocks, return_inverse=True)
    sums = np.zeros((place.max() + 1, values.shape[1]))
    np.add.at(sums, place, values)
    return values - (sums / np.bincount(place)[:, None])[place]


def loadings(correlation: np.ndarray) -> tuple[float, ...]:
    """Numbers l whose products l_i * l_j are the correlations of differences i and j (k, k), or the nearest to them.

    Exact for complete studies and for unpaired ones. With missing trials it is the factor analytic approximation (Hsu, J. Comp.
    Graph. Stat. 1, 1992), accurate to the third digit of p.
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
