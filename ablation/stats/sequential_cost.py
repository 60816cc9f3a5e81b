"""Expected numbers of trials of a design with looks, before it is run, for some true differences."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablation.stats import tails
from ablation.stats.dunnett import critical
from ablation.stats.sequential import LookDesign, simulated
from ablation.stats.sequential_futility import FUTILE_LEVEL

POINTS = (0.0, 1.0, 2.0)
STUDIES = 2000
HALF = math.sqrt(0.5)


@dataclass(frozen=True)
class Expected:
    """Trials of a study whose arms all differ by `points` from the baseline: their mean and the most that are possible.

    `decided` is the share of arms that get a verdict. Device-hours are None if nobody knows the time of a trial.
    """

    points: float
    trials: float
    most: int
    decided: float
    device_hours: float | None
    most_device_hours: float | None


def expected(
    plan: LookDesign,
    sd_wer: float,
    trial_seconds: float | None,
    rng: np.random.Generator,
    points: Sequence[float] = POINTS,
) -> list[Expected]:
    """Return the trials for each difference. `sd_wer` is the standard deviation of a trial around its arm and seed, a fraction.

    Conditions are taken as alike: an arm is decided if one condition passes the strictest step of Holm's correction. The spread is
    estimated from all arms, also from those that have stopped.
    """
    differences, error = simulated(plan.looks, plan.arms, STUDIES, rng)
    most = (plan.arms + 1) * plan.looks[-1]
    found = []
    for each in points:
        seeds, decided = _seeds(plan, differences + each / 100 / sd_wer, error, sd_wer)
        trials = float((seeds.sum(1) + seeds.max(1)).mean())
        hours = [None if trial_seconds is None else number * trial_seconds / 3600 for number in (trials, most)]
        found.append(Expected(each, trials, most, decided, *hours))
    return found


def _seeds(plan: LookDesign, differences: np.ndarray, error: np.ndarray, sd_wer: float) -> tuple[np.ndarray, float]:
    """Return the seeds of every arm (studies, arms), and the share of arms with a verdict. Differences are in sd."""
    seeds = np.full(differences.shape[::2], plan.looks[-1])
    going, decided = np.ones(seeds.shape, bool), np.zeros(seeds.shape, bool)
    for place, number in enumerate(plan.looks):
        df = plan.arms * (number - 1)
        size, its = abs(differences[:, place]), error[:, place, None]
        now = size > critical(plan.levels[place] / plan.conditions, (HALF,) * plan.arms, df) * its
        stops = now
        if plan.margin_points is not None:
            room = (plan.margin_points / 100 / sd_wer - size) / its
            same = tails.t_sf(room, df)
            now = now | (same <= plan.equivalence_levels[place] / plan.arms / plan.conditions)
            stops = now | (same <= FUTILE_LEVEL)
        decided |= going & now
        seeds[going & stops] = number
        going &= ~stops
    return seeds, float(decided.mean())
