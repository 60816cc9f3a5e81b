"""Designs with looks for contrasts: the rungs of a ladder, the main effects and interactions of a factorial.

The levels are found as those of arms (`ablation.stats.sequential`), with the joint distribution of the largest |T| over the looks
and the contrasts of a family instead of that over the arms. The correlation of the contrasts follows from their weights. Each
family spends 5 % of its own, as without looks, and equivalence spends another 5 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ablation.plan.contrasts import Contrast
from ablation.stats.sequential import (
    DEFAULT_SPENDING,
    SIMULATION_SEED,
    drawn_studies,
    simulated_sums,
    strictest,
)

Levels = tuple[float, ...]
Weights = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ContrastDesign:
    """The looks of a study with a ladder or a factorial, fixed before it starts.

    `looks` are numbers of seeds. `levels` and `equivalence_levels` map each family to its levels, one for each look: a contrast
    differs from zero at look i if p, adjusted over the family and the conditions, is at most `levels[family][i]`.
    """

    looks: tuple[int, ...]
    conditions: int
    margin_points: float | None
    levels: Mapping[str, Levels]
    equivalence_levels: Mapping[str, Levels]
    spending: str = DEFAULT_SPENDING


def contrast_design(
    looks: Sequence[int],
    arms: Sequence[str],
    contrasts: Sequence[Contrast],
    conditions: int,
    margin_points: float | None = None,
    *,
    spending: str = DEFAULT_SPENDING,
) -> ContrastDesign:
    """Return the design with its levels; two calls give the same one. `arms` are those of the study with the baseline."""
    levels, same = dict[str, Levels](), dict[str, Levels]()
    for family in dict.fromkeys(each.family for each in contrasts):
        weights = weights_of([each for each in contrasts if each.family == family], arms)
        levels[family], same[family] = _levels(tuple(looks), weights, conditions, spending)
    return ContrastDesign(tuple(looks), conditions, margin_points, levels, same, spending)


def weights_of(contrasts: Sequence[Contrast], arms: Sequence[str]) -> Weights:
    """Return a row of weights for each contrast, in the order of `arms`."""
    return tuple(tuple(each.weights.get(arm, 0.0) for arm in arms) for each in contrasts)


@lru_cache(maxsize=16)
def _levels(looks: tuple[int, ...], weights: Weights, conditions: int, spending: str) -> tuple[Levels, Levels]:
    """Return the levels of differences and of equivalence of one family."""
    studies = drawn_studies(looks, max(len(weights), len(weights[0]) - 1))
    estimates, errors = simulated_contrasts(looks, np.array(weights), studies, np.random.default_rng(SIMULATION_SEED))
    t, shares = estimates / errors, [number / looks[-1] for number in looks]
    nearest = np.concatenate(
        list(np.moveaxis(t, 2, 0))
    )  # one-sided, one contrast at a time: all have the same distribution
    return (
        strictest(-abs(t).max(axis=2), shares, (1, conditions), spending),
        strictest(nearest, shares, (1, len(weights) * conditions), spending),
    )


def simulated_contrasts(
    looks: Sequence[int], weights: np.ndarray, studies: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return estimates of contrasts that are all zero and their standard errors, both (studies, looks, contrasts).

    `weights` are (contrasts, arms). Both are in standard deviations of a trial. Every arm has the seeds of every look.
    """
    arms, numbers = weights.shape[1], np.array(looks)
    totals, squares = simulated_sums(looks, arms - 1, studies, rng)
    sd = np.sqrt(squares / ((arms - 1) * (numbers - 1)))
    scale = np.sqrt((weights**2).sum(axis=1) / numbers[:, None])  # (looks, contrasts)
    return totals @ weights.T / numbers[:, None], sd[..., None] * scale
