"""Expected numbers of trials of a design with looks, before it is run, for some true differences."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ablation.stats import tails
from ablation.stats.dunnett import critical
from ablation.stats.sequential import LookDesign, simulated
from ablation.stats.sequential_futility import FUTILE_LEVEL

POINTS = (0.0, 1.0, 2.0)
STUDIES = 2000
HALF = math.sqrt(0.5)
Reach = Callable[[float, int], float]  # the critical value at a level with some degrees of freedom


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
    reach = reaches(plan, arms_reach(plan), plan.levels)
    same = [level / plan.arms / plan.conditions for level in plan.equivalence_levels]
    most = (plan.arms + 1) * plan.looks[-1]
    found = []
    for each in points:
        sizes = abs(differences + each / 100 / sd_wer)
        seeds, decided = stops(plan, sizes, error[..., None], reach, same, sd_wer)
        trials = float((seeds.sum(1) + seeds.max(1)).mean())
        hours = [None if trial_seconds is None else number * trial_seconds / 3600 for number in (trials, most)]
        found.append(Expected(each, trials, most, float(decided.mean()), *hours))
    return found


def arms_reach(plan: LookDesign) -> Reach:
    """Return the critical value of the differences to the baseline at a level (0 to 1) with some degrees of freedom."""
    return lambda level, df: critical(level, (HALF,) * plan.arms, df)


def reaches(plan: LookDesign, reach: Reach, levels: Sequence[float]) -> list[float]:
    """Return the critical value of each look by the strictest step of Holm's correction; infinite at a level of 0."""
    return [
        reach(level / plan.conditions, plan.arms * (number - 1)) if level else math.inf
        for number, level in zip(plan.looks, levels, strict=True)
    ]


def stops(
    plan: LookDesign,
    sizes: np.ndarray,
    errors: np.ndarray,
    reach: Sequence[float],
    same: Sequence[float],
    sd_wer: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the seeds at which each question stops, and True where it is decided: both (studies, questions).

    A question is the difference of an arm or a contrast. `sizes` without signs (studies, looks, questions) and their standard
    `errors`, of a shape that broadcasts to it, are in sd of a trial, `sd_wer`, which is a fraction. `reach` has the critical value
    and `same` the level of one equivalence test for each look.
    """
    seeds = np.full(sizes.shape[::2], plan.looks[-1])
    going, decided = np.ones(seeds.shape, bool), np.zeros(seeds.shape, bool)
    for place, number in enumerate(plan.looks):
        size, error = sizes[:, place], errors[:, place]
        now = size > reach[place] * error
        stopping = now
        if plan.margin_points is not None:
            room = (plan.margin_points / 100 / sd_wer - size) / error
            p = tails.t_sf(room, plan.arms * (number - 1))
            now = now | (p <= same[place])
            stopping = now | (p <= FUTILE_LEVEL)
        decided |= going & now
        seeds[going & stopping] = number
        going &= ~stopping
    return seeds, decided
