"""Designs with looks: seeds are added in stages, and arms that are decided get no more of them.

Whoever tests at every look with 5 % has more than 5 % false findings, so each look has a level of its own. The levels follow from
a spending function (Lan and DeMets, Biometrika 70, 1983): after n of N seeds, the probability of any false finding so far is at
most `spent(n / N)`, which is `ALPHA` at the last look. The joint distribution of the test statistics over looks and arms is
simulated under no difference, with the model of `ablation.stats.block_design`: three seeds leave few degrees of freedom, and normal
theory does not hold. Levels apply to p values, so they stay valid when an arm stops or a trial fails: p then comes from the trials
that exist, and still counts all arms. Equivalence spends `ALPHA` of its own in the same way.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablation.stats import tails
from ablation.stats.levels import ALPHA

MOST_NUMBERS, LEAST_STUDIES, MOST_STUDIES = 2_000_000, 20_000, 200_000
SIMULATION_SEED = 0


def _obrien_fleming(share: float, alpha: float) -> float:
    return 4 * float(tails.normal_sf(tails.normal_isf(alpha / 4) / math.sqrt(share)))  # both sides


def _pocock(share: float, alpha: float) -> float:
    return alpha * math.log(1 + (math.e - 1) * share)


def _linear(share: float, alpha: float) -> float:
    return alpha * share


def _quadratic(share: float, alpha: float) -> float:
    return alpha * share**2


SPENDING: Mapping[str, Callable[[float, float], float]] = {
    "obrien-fleming": _obrien_fleming,
    "pocock": _pocock,
    "linear": _linear,
    "quadratic": _quadratic,
}
DEFAULT_SPENDING = "linear"


@dataclass(frozen=True)
class LookDesign:
    """The looks of a study, fixed before it starts.

    `looks` are numbers of seeds, the last one the most. `arms` does not count the baseline. At look i, an arm differs from the
    baseline if p, adjusted over arms and conditions, is at most `levels[i]`. It is equivalent if the p of the equivalence test is
    at most `equivalence_levels[i]`.
    """

    looks: tuple[int, ...]
    arms: int
    conditions: int
    margin_points: float | None
    levels: tuple[float, ...]
    equivalence_levels: tuple[float, ...]
    spending: str = DEFAULT_SPENDING


def design(
    looks: Sequence[int],
    arms: int,
    conditions: int,
    margin_points: float | None = None,
    *,
    spending: str = DEFAULT_SPENDING,
    rng: np.random.Generator | None = None,
) -> LookDesign:
    """Return the design with its levels. Two calls give the same one unless another generator is passed in.

    `looks` increase and start at 2 or more. Without arms nothing is tested, and all levels are `ALPHA`.
    """
    numbers = tuple(looks)
    if not arms:
        flat = (ALPHA,) * len(numbers)
        return LookDesign(numbers, arms, conditions, margin_points, flat, flat, spending)
    rng = np.random.default_rng(SIMULATION_SEED) if rng is None else rng
    t = null_statistics(numbers, arms, drawn_studies(numbers, arms), rng)
    shares = [number / numbers[-1] for number in numbers]
    largest = abs(t).max(axis=2)  # (studies, looks)
    nearest = np.concatenate(list(np.moveaxis(t, 2, 0)))  # (studies * arms, looks): one-sided, one arm at a time
    levels = strictest(-largest, shares, (1, conditions), spending)
    same = strictest(nearest, shares, (1, arms * conditions), spending)
    return LookDesign(numbers, arms, conditions, margin_points, levels, same, spending)


def drawn_studies(looks: Sequence[int], arms: int) -> int:
    """Return the number of studies that are simulated for a design."""
    return int(np.clip(MOST_NUMBERS // (len(looks) * (arms + 1)), LEAST_STUDIES, MOST_STUDIES))


def null_statistics(looks: Sequence[int], arms: int, studies: int, rng: np.random.Generator) -> np.ndarray:
    """Return T of every arm at every look if no arm differs from the baseline: (studies, looks, arms)."""
    differences, error = simulated(looks, arms, studies, rng)
    return differences / error[..., None]


def simulated(looks: Sequence[int], arms: int, studies: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return differences to the baseline (studies, looks, arms) and their standard error (studies, looks), if there are none.

    Both are in standard deviations of a trial.
    """
    totals, squares = simulated_sums(looks, arms, studies, rng)
    numbers = np.array(looks)
    errors = np.sqrt(squares / (arms * (numbers - 1)) * 2 / numbers)
    return (totals[..., 1:] - totals[..., :1]) / numbers[:, None], errors


def simulated_sums(
    looks: Sequence[int], arms: int, studies: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return sums of WERs over seeds (studies, looks, arms + 1), up to a sum for the seeds, and residual sums of squares.

    The latter are (studies, looks), with `arms` * (seeds - 1) degrees of freedom. These are the sufficient statistics of a
    complete study of arms that do not differ; a trial has variance 1. The residual sum of squares grows from one look to the next
    by a chi-squared part within the new seeds and a part between old and new seeds.
    """
    totals, squares, earlier = np.zeros((studies, arms + 1)), np.zeros(studies), 0
    sums, rests = np.empty((studies, len(looks), arms + 1)), np.empty((studies, len(looks)))
    for place, number in enumerate(looks):
        new = number - earlier
        added = rng.normal(0, math.sqrt(new), totals.shape)
        if new > 1:
            squares += rng.chisquare(arms * (new - 1), studies)
        if earlier:
            step = added / new - totals / earlier
            step -= step.mean(axis=1, keepdims=True)
            squares += earlier * new / number * (step**2).sum(axis=1)
        totals, earlier = totals + added, number
        sums[:, place], rests[:, place] = totals, squares
    return sums, rests


def strictest(
    statistic: np.ndarray, shares: Sequence[float], numbers_of_tests: Sequence[int], spending: str
) -> tuple[float, ...]:
    """Return levels for p values with Holm's correction: valid at its last and at its first step, with one and with all tests."""
    p = np.empty_like(statistic)  # exact p values without differences, whatever the distribution of the statistic is
    np.put_along_axis(p, statistic.argsort(axis=0), np.arange(1, len(p) + 1)[:, None] / len(p), axis=0)
    found = [
        [tests * level for level in spent_levels(p, shares, ALPHA / tests, spending)]
        for tests in dict.fromkeys(numbers_of_tests)
    ]
    return tuple(min(levels) for levels in zip(*found, strict=True))


def spent_levels(p: np.ndarray, shares: Sequence[float], alpha: float, spending: str) -> list[float]:
    """Return the level of each look, so that p values reach their levels no more often than the spending function allows.

    `p` has a row for each simulated study and a column for each look (studies, looks); `shares` are the looks' shares of all seeds.
    """
    going, levels, before = np.ones(len(p), bool), list[float](), 0.0
    for place, share in enumerate(shares):
        spent = SPENDING[spending](share, alpha)
        here = np.sort(p[going, place])
        allowed = round((spent - before) * len(p))
        levels.append(float(here[allowed - 1]) if allowed else 0.0)
        going &= p[:, place] > levels[-1]
        before = spent
    return levels
