"""Expected numbers of trials of a ladder or a factorial with looks, before it is run, for some true differences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablation.plan.contrasts import Contrast
from ablation.stats.max_t import AnyDf
from ablation.stats.sequential import LookDesign, simulated_sums
from ablation.stats.sequential_contrasts import contrast_design, weights_of
from ablation.stats.sequential_cost import POINTS, STUDIES, Expected, arms_reach, reaches, stops


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
    estimates = [np.stack([each @ group.weights.T for each in means.swapaxes(0, 1)], axis=1) for group in groups]
    most, found = len(arms) * plan.looks[-1], []
    for size in points:
        seeds, decided = np.zeros((STUDIES, len(arms)), int), list[np.ndarray]()
        for group, estimated in zip(groups, estimates, strict=True):
            scale = np.sqrt((group.weights**2).sum(axis=1))
            errors = sd[..., None] * scale / np.sqrt(numbers)[:, None]
            stopped, now = stops(plan, abs(estimated + size / 100 / sd_wer), errors, group.reach, group.same, sd_wer)
            decided.append(now[:, group.asked])
            for place in np.flatnonzero(group.asked):
                used = group.weights[place] != 0
                seeds[:, used] = np.maximum(seeds[:, used], stopped[:, [place]])
        trials = float(seeds.sum(axis=1).mean())
        hours = [None if trial_seconds is None else number * trial_seconds / 3600 for number in (trials, most)]
        found.append(Expected(size, trials, most, float(np.hstack(decided).mean()), *hours))
    return found


def _groups(plan: LookDesign, arms: Sequence[str], contrasts: Sequence[Contrast]) -> list[_Questions]:
    """Return the families of contrasts, and the differences to the baseline of the arms that no contrast uses."""
    found = []
    levels = contrast_design(plan.looks, arms, contrasts, plan.conditions, plan.margin_points, spending=plan.spending)
    for family in levels.levels:
        weights = np.array(weights_of([each for each in contrasts if each.family == family], arms))
        joint = AnyDf(np.corrcoef(weights) if len(weights) > 1 else np.eye(1))
        reach = reaches(plan, joint.critical, levels.levels[family])
        same = [level / len(weights) / plan.conditions for level in levels.equivalence_levels[family]]
        found.append(_Questions(weights, reach, same, np.ones(len(weights), bool)))
    used = {arm for each in contrasts for arm in each.weights}
    asked = np.array([arm not in used for arm in arms[1:]])
    if asked.any():
        weights = np.eye(len(arms))[1:] - np.eye(len(arms))[0]
        reach = reaches(plan, arms_reach(plan), plan.levels)
        same = [level / plan.arms / plan.conditions for level in plan.equivalence_levels]
        found.append(_Questions(weights, reach, same, asked))
    return found
