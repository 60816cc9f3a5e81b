"""Expected numbers of trials of a ladder or a factorial with looks, before it is run, for some true differences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablation.plan.contrasts import Contrast
from ablation.stats import tails
from ablation.stats.dunnett import critical
from ablation.stats.max_t import max_t
from ablation.stats.sequential import LookDesign, simulated_sums
from ablation.stats.sequential_contrasts import contrast_design, weights_of
from ablation.stats.sequential_cost import HALF, POINTS, STUDIES, Expected
from ablation.stats.sequential_futility import FUTILE_LEVEL


@dataclass(frozen=True)
class _Questions:
    """Questions that are tested together: contrasts of a family, or differences of arms to the baseline.

    `reach` is the critical value and `same` the level of one equivalence test at each look. `asked` says which questions decide
    on seeds.
    """

    weights: np.ndarray  # (questions, arms)
    reach: Sequence[float]
    same: Sequence[float]
    asked: np.ndarray  # (questions,)


def expected_contrasts(
    plan: LookDesign,
    arms: Sequence[str],
    contrasts: Sequence[Contrast],
    sd_wer: float,
    trial_seconds: float | None,
    rng: np.random.Generator,
    points: Sequence[float] = POINTS,
) -> list[Expected]:
    """Return the trials if all contrasts, and all differences of other arms to the baseline, are of each size.

    `plan` is the design of the arms, the baseline is the first of `arms`. Assumptions are those of `sequential_cost.expected`. A
    contrast that is futile counts as stopped, though it is judged on while its arms get seeds for others.
    """
    groups = _groups(plan, arms, contrasts)
    totals, squares = simulated_sums(plan.looks, plan.arms, STUDIES, rng)
    numbers = np.array(plan.looks)
    means = totals / numbers[:, None]
    sd = np.sqrt(squares / (plan.arms * (numbers - 1)))
    most, found = len(arms) * plan.looks[-1], []
    for size in points:
        seeds, decided = np.zeros((STUDIES, len(arms)), int), list[np.ndarray]()
        for group in groups:
            stops, now = _stops(group, plan, means, sd, size / 100 / sd_wer, sd_wer)
            decided.append(now[:, group.asked])
            for place in np.flatnonzero(group.asked):
                used = group.weights[place] != 0
                seeds[:, used] = np.maximum(seeds[:, used], stops[:, [place]])
        trials = float(seeds.sum(axis=1).mean())
        hours = [None if trial_seconds is None else number * trial_seconds / 3600 for number in (trials, most)]
        found.append(Expected(size, trials, most, float(np.hstack(decided).mean()), *hours))
    return found


def _groups(plan: LookDesign, arms: Sequence[str], contrasts: Sequence[Contrast]) -> list[_Questions]:
    """Return the families of contrasts, and the differences to the baseline of the arms that no contrast uses."""
    found, dfs = [], [plan.arms * (number - 1) for number in plan.looks]
    levels = contrast_design(plan.looks, arms, contrasts, plan.conditions, plan.margin_points, spending=plan.spending)
    for family in levels.levels:
        weights = np.array(weights_of([each for each in contrasts if each.family == family], arms))
        joint = [max_t(np.corrcoef(weights) if len(weights) > 1 else np.eye(1), df) for df in dfs]
        reach = [
            its.critical(level / plan.conditions) if level else np.inf
            for its, level in zip(joint, levels.levels[family], strict=True)
        ]
        same = [level / len(weights) / plan.conditions for level in levels.equivalence_levels[family]]
        found.append(_Questions(weights, reach, same, np.ones(len(weights), bool)))
    used = {arm for each in contrasts for arm in each.weights}
    asked = np.array([arm not in used for arm in arms[1:]])
    if asked.any():
        weights = np.eye(len(arms))[1:] - np.eye(len(arms))[0]
        shared = (HALF,) * plan.arms
        reach = [
            critical(level / plan.conditions, shared, df) if level else np.inf
            for level, df in zip(plan.levels, dfs, strict=True)
        ]
        same = [level / plan.arms / plan.conditions for level in plan.equivalence_levels]
        found.append(_Questions(weights, reach, same, asked))
    return found


def _stops(
    group: _Questions, plan: LookDesign, means: np.ndarray, sd: np.ndarray, shift: float, sd_wer: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the seeds at which each question stops, and True where it is decided: both (studies, questions).

    `means` (studies, looks, arms), their `sd` (studies, looks) and the true size, `shift`, are in sd of a trial.
    """
    scale = np.sqrt((group.weights**2).sum(axis=1))
    seeds = np.full((len(means), len(scale)), plan.looks[-1])
    going, decided = np.ones(seeds.shape, bool), np.zeros(seeds.shape, bool)
    for place, number in enumerate(plan.looks):
        size = abs(means[:, place] @ group.weights.T + shift)
        error = sd[:, place, None] * scale / np.sqrt(number)
        now = size > group.reach[place] * error
        stops = now
        if plan.margin_points is not None:
            room = (plan.margin_points / 100 / sd_wer - size) / error
            p = tails.t_sf(room, plan.arms * (number - 1))
            now = now | (p <= group.same[place])
            stops = now | (p <= FUTILE_LEVEL)
        decided |= going & now
        seeds[going & stops] = number
        going &= ~stops
    return seeds, decided
