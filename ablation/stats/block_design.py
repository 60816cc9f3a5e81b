"""Arms x seeds as a linear model: differences to the baseline, their joint uncertainty, and the residual variance.

Trials of one seed share initial weights, batch order and noise draws, so a seed is a block: wer = arm + seed + residual (a
randomised block design). Least squares removes the effects of the seeds. The residual standard deviation, pooled over all arms,
is the yardstick for differences. In a complete study, a difference is the mean of the differences within seeds, the degrees of
freedom are arms x (seeds - 1) without counting the baseline as an arm, and two differences have correlation 1/2, as they share
the baseline. Missing trials are not filled in: the same equations hold for the trials that exist, with fewer degrees of freedom
and other correlations. Without pairing there is one block for all trials, and the model is the one-way layout of Dunnett's test.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

NO_SD = 1e-12  # below it, trials differ by rounding only
MOST_SWEEPS = 1000  # of the search for loadings; 30 are usual


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


@dataclass(frozen=True)
class Model:
    """Arms + seeds by least squares. Combinations of `effects` whose weights add to zero are estimates of differences.

    `inverse` times sd squared is their covariance. `known` projects weights on those that the trials can estimate. `residuals`
    and `design` have a row per trial: the rest, and the arms without the effects of blocks. `places` and `blocks` give the arm and
    the block of each trial.
    """

    arms: tuple[str, ...]
    effects: np.ndarray  # (arms,)
    inverse: np.ndarray  # (arms, arms)
    known: np.ndarray  # (arms, arms)
    residuals: np.ndarray  # (trials,)
    design: np.ndarray  # (trials, arms)
    places: np.ndarray  # (trials,)
    blocks: np.ndarray  # (trials,)
    df: int

    @property
    def sd(self) -> float:
        """The residual standard deviation; 0 where nothing varies or no degree of freedom is left."""
        sd = math.sqrt(self.residuals @ self.residuals / self.df) if self.df else 0.0
        return sd if sd > NO_SD else 0.0

    def estimable(self, weights: np.ndarray) -> np.ndarray:
        """Return for each row of weights (k, arms) True if the trials can estimate it."""
        return np.isclose(weights @ self.known, weights, atol=1e-6).all(axis=1)

    def coefficients(self, weights: np.ndarray) -> np.ndarray:
        """Return the weights of the trials in estimates: (k, trials) for weights of arms (k, arms)."""
        return weights @ self.inverse @ self.design.T

    def against(self, baseline: str, judged: Sequence[str]) -> np.ndarray:
        """Return the weights of the differences of `judged` to the baseline: (k, arms)."""
        places = [self.arms.index(arm) for arm in judged]
        return np.eye(len(self.arms))[places] - np.eye(len(self.arms))[self.arms.index(baseline)]

    def contrasts(self, names: Sequence[str], weights: np.ndarray) -> "Fit":
        """Return the estimates of combinations of arms, called `names`; `weights` (k, arms) are estimable."""
        covariance = weights @ self.inverse @ weights.T
        scale = np.sqrt(covariance.diagonal())
        return Fit(tuple(names), weights @ self.effects, scale, covariance / np.outer(scale, scale), self.sd, self.df)


def model(trials: pd.DataFrame, arms: Sequence[str] = (), *, paired: bool) -> Model:
    """Fit trials with the columns arm, seed and wer, one row each. The order of arms is that of `arms`, then of the trials."""
    arms = list(dict.fromkeys([*arms, *trials["arm"]]))
    places = pd.Index(arms).get_indexer(trials["arm"]).astype(np.intp)
    blocks = np.unique(trials["seed"], return_inverse=True)[1] if paired else np.zeros(len(trials), np.intp)
    wer = _within(trials["wer"].to_numpy(float)[:, None], blocks)[:, 0]
    design, inverse, known = _solved(places.tobytes(), blocks.tobytes(), len(arms))
    effects = inverse @ design.T @ wer
    df = len(trials) - len(np.unique(blocks)) - round(known.trace())  # the trace of a projection is its rank
    return Model(tuple(arms), effects, inverse, known, wer - design @ effects, design, places, blocks, max(df, 0))


@lru_cache(maxsize=4)
def _solved(places: bytes, blocks: bytes, arms: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `design`, `inverse` and `known` of a model. They depend on which trials exist, so conditions usually share them."""
    at, block = (np.frombuffer(numbers, np.intp) for numbers in (places, blocks))
    design = _within((at[:, None] == np.arange(arms)).astype(float), block)
    squares = design.T @ design
    inverse = np.linalg.pinv(squares, rcond=1e-10, hermitian=True)
    return design, inverse, squares @ inverse


def fit(trials: pd.DataFrame, baseline: str, judged: list[str], *, paired: bool) -> Fit:
    """Fit trials with the columns arm, seed and wer, one row each; contrasts are `judged` against `baseline`.

    Every arm in the table adds to `sd`. Raises ValueError if an arm of `judged` is not connected to the baseline by seeds, so
    that its difference cannot be estimated.
    """
    return differences(model(trials, [baseline, *judged], paired=paired), baseline, judged)


def differences(found: Model, baseline: str, judged: list[str]) -> Fit:
    """Return the differences of `fit` from the fit of all trials. Raises ValueError as `fit` does."""
    weights = found.against(baseline, judged)
    if not found.estimable(weights).all():
        raise ValueError(f"an arm of {judged} shares no seed with {baseline!r}, not even through other arms")
    return found.contrasts(judged, weights)


def _within(values: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Values (n, m) minus the mean of their block; blocks are numbered from 0."""
    sums = np.zeros((blocks.max(initial=0) + 1, values.shape[1]))
    np.add.at(sums, blocks, values)
    return values - (sums / np.bincount(blocks, minlength=len(sums))[:, None])[blocks]


def loadings(correlation: np.ndarray) -> tuple[float, ...]:
    """Numbers l whose products l_i * l_j are the correlations of differences i and j (k, k), or the nearest to them.

    Exact for complete studies and for unpaired ones. With missing trials it is the factor analytic approximation (Hsu, J. Comp.
    Graph. Stat. 1, 1992), accurate to the third digit of p.
    """
    k = len(correlation)
    if k == 1:
        return (0.0,)
    others = correlation - np.eye(k)
    found = np.full(k, math.sqrt(np.clip(others.sum() / (k * (k - 1)), 0.01, 0.98)))
    for _ in range(MOST_SWEEPS):
        before = found.copy()
        for place in range(k):  # the best number for one arm, given the others'
            rest = found.copy()
            rest[place] = 0.0
            found[place] = np.clip(others[place] @ rest / (rest @ rest), 0, 0.9999)
        if abs(found - before).max() < 1e-12:
            break
    return tuple(np.round(found, 9).tolist())
