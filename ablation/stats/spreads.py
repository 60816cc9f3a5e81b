"""Do all arms vary about equally between seeds? The pooled spread takes that for granted; here it is doubted.

Whether one arm varies more than the rest is an F test: what its trials add to the residual sum of squares against what the
others leave (Russell and Bradley, Biometrika 45, 1958, for blocks; exact, also with trials missing). A baseline that varies more
makes all comparisons too easy, an arm that does its own one. There the differences' own spread is asked as well, which assumes
nothing about other arms: a t test of the paired differences, or Welch's of unpaired trials, by Bonferroni over arms. It has few
degrees of freedom, so it is asked only where there is reason to.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ablation.stats.block_design import fit

DOUBT = 0.05  # of the F tests, by Bonferroni over the arms
BASELINE_VARIES = (
    "the baseline varies more between seeds than the other arms do, so each arm is judged by its own spread as well"
)
ARM_VARIES = "it varies more between seeds than the other arms do, so it is judged by its own spread as well"


@dataclass(frozen=True)
class Own:
    """A difference to the baseline with the standard error that its own trials show, and that one's freedom."""

    difference: float
    error: float
    freedom: float


def doubts(trials: pd.DataFrame, baseline: str, judged: list[str], *, paired: bool) -> dict[str, str]:
    """Arm of `judged` -> why the pooled spread is not enough to judge it. `trials` are those of one condition."""
    arms = list(dict.fromkeys([baseline, *trials["arm"]]))
    odd = [arm for arm in arms if varies_more(trials, arm, paired=paired) * len(arms) <= DOUBT]
    if baseline in odd:
        return dict.fromkeys(judged, BASELINE_VARIES)
    return {arm: ARM_VARIES for arm in judged if arm in odd}


def varies_more(trials: pd.DataFrame, arm: str, *, paired: bool) -> float:
    """p of an arm that varies no more than the others; 1 where that cannot be asked."""
    others = trials[trials["arm"] != arm]
    if others.empty:
        return 1.0
    whole, rest = (fit(table, str(table["arm"].iloc[0]), [], paired=paired) for table in (trials, others))
    freedom = whole.freedom - rest.freedom
    if freedom < 1 or rest.freedom < 1 or not whole.spread:
        return 1.0
    added = whole.freedom * whole.spread**2 - rest.freedom * rest.spread**2
    return float(stats.f.sf(added / freedom / rest.spread**2, freedom, rest.freedom)) if rest.spread else 0.0


def own(trials: pd.DataFrame, arm: str, baseline: str, *, paired: bool) -> Own:
    """The difference by the trials of the two alone; each needs two, in pairs of one seed if `paired`."""
    mine, its = (trials[trials["arm"] == name].set_index("seed")["wer"] for name in (arm, baseline))
    if paired:
        differences = (mine - its).dropna()
        return Own(float(differences.mean()), float(differences.sem()), len(differences) - 1)
    parts, df = np.array([mine.sem(), its.sem()]) ** 2, np.array([len(mine), len(its)]) - 1
    freedom = parts.sum() ** 2 / (parts**2 / df).sum() if parts.any() else float(df.sum())
    return Own(float(mine.mean() - its.mean()), math.sqrt(parts.sum()), float(freedom))
