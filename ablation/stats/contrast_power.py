"""Power of the contrasts of a design before it is run. The test is that of `ablation.stats.contrasts`."""

from collections.abc import Mapping, Sequence

import numpy as np

from ablation.stats.dunnett import noncentrality
from ablation.stats.levels import ALPHA, POWER
from ablation.stats.max_t import max_t


def detectable_contrasts(
    weights: Mapping[str, Sequence[float]], arms: int, seeds: int, conditions: int, seed: int = 0
) -> dict[str, float] | None:
    """Return contrast -> the smallest size that a complete study finds with a power of 80 %, in sd between seeds.

    `weights` are those of one family's contrasts, `arms` counts the baseline. None if the design can give no verdicts.
    """
    df = (arms - 1) * (seeds - 1)
    if df < 1 or not weights:
        return None
    table = np.array(list(weights.values()))
    scale = np.sqrt((table**2).sum(axis=1) / seeds)
    correlation = table @ table.T / seeds / np.outer(scale, scale)
    needed = noncentrality(max_t(correlation, df, seed).critical(ALPHA / conditions), df, POWER)
    return {name: float(needed * size) for name, size in zip(weights, scale, strict=True)}
