"""Checks of the assumption that all arms vary about equally between seeds, on which the pooled variance rests.

An F test asks whether one arm varies more than the others: it compares what the arm's trials add to the residual sum of squares
with what the other arms leave (Russell and Bradley, Biometrika 45, 1958, for blocks; exact, also with missing trials). A baseline
that varies more makes all comparisons too liberal; any other arm does so for its own comparison. In these cases the difference
is tested with its own variance as well, which assumes nothing about other arms: a paired t test, or Welch's t test for unpaired
trials, with Bonferroni's correction over arms. That test has few degrees of freedom, so it is used only in these cases.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ablation.stats import tails
from ablation.stats.block_design import Model, model
from ablation.stats.verdict import Caution

DOUBT = 0.05  # level of the F tests, with Bonferroni's correction over the arms
NO_FREEDOM = 1e-8  # below it, a combination of residuals is fixed by the fit


@dataclass(frozen=True)
class Own:
    """A difference to the baseline with its standard error from the trials of the two arms alone, and that one's df."""

    difference: float
    error: float
    df: float


def doubts(trials: pd.DataFrame, baseline: str, judged: list[str], *, paired: bool) -> dict[str, Caution]:
    """Return arm of `judged` -> why the pooled variance is not enough to test it. `trials` are those of one condition."""
    odd = odd_arms(model(trials, [baseline, *judged], paired=paired))
    if baseline in odd:
        return dict.fromkeys(judged, Caution.BASELINE_VARIES)
    return {arm: Caution.ARM_VARIES for arm in judged if arm in odd}


def odd_arms(found: Model) -> set[str]:
    """Return the arms that vary more than the rest."""
    return {arm for arm in found.arms if spread_p(found, arm) * len(found.arms) <= DOUBT}


def varies_more(trials: pd.DataFrame, arm: str, *, paired: bool) -> float:
    """Return p of the hypothesis that an arm varies no more than the others; 1 where this cannot be tested."""
    return spread_p(model(trials, paired=paired), arm)


def spread_p(found: Model, arm: str) -> float:
    """Return p of `varies_more` from the fit of all trials.

    The residual sum of squares that remains without the arm's trials follows from their residuals and their part of the matrix
    that projects trials on residuals. So nothing has to be fitted again.
    """
    mine = np.flatnonzero(found.places == found.arms.index(arm))
    part, blocks = found.design[mine], found.blocks[mine]
    shared = (blocks[:, None] == blocks) / np.bincount(found.blocks)[blocks]  # a trial's part of the mean of its block
    values, vectors = np.linalg.eigh(np.eye(len(mine)) - shared - part @ found.inverse @ part.T)
    free = values > NO_FREEDOM
    df, rest_df = int(free.sum()), found.df - int(free.sum())
    if df < 1 or rest_df < 1 or not found.sd:
        return 1.0
    added = float(((vectors[:, free].T @ found.residuals[mine]) ** 2 / values[free]).sum())
    rest = float(found.residuals @ found.residuals) - added
    return float(tails.f_sf(added / df / (rest / rest_df), df, rest_df)) if rest > 0 else 0.0


def own(trials: pd.DataFrame, arm: str, baseline: str, *, paired: bool) -> Own:
    """Estimate the difference from the trials of two arms alone. Each needs two trials, in pairs of one seed if `paired`."""
    mine, its = (trials[trials["arm"] == name].set_index("seed")["wer"] for name in (arm, baseline))
    if paired:
        differences = (mine - its).dropna()
        return Own(float(differences.mean()), float(differences.sem()), len(differences) - 1)
    parts, dfs = np.array([mine.sem(), its.sem()]) ** 2, np.array([len(mine), len(its)]) - 1
    df = parts.sum() ** 2 / (parts**2 / dfs).sum() if parts.any() else float(dfs.sum())
    return Own(float(mine.mean() - its.mean()), math.sqrt(parts.sum()), float(df))
