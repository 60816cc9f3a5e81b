"""What can be said about the trained checkpoints themselves, seed by seed: secondary evidence, and labelled as such.

It answers whether this arm's model of a seed and this baseline's model of that seed differ on more speech of the kind. It
does not say that the *part* matters: with a spread between seeds of 0.3 points, such a test calls 15-20 % of differences
significant that another seed would not show.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ablation.stats.bootstrap import REPLICATES, unit_weights
from ablation.stats.cells import Cells, cells
from ablation.stats.mapsswe import Slots, matched_pairs, slots
from ablation.stats.scoring import ALIGNMENT

LABEL = "these checkpoints only"
COLUMNS = ["arm", "condition", "seed", "difference", "diff_low", "diff_high", "resampled", "segments", "z", "p"]


def these_checkpoints(
    counts: pd.DataFrame, baseline: str, rng: np.random.Generator, *, replicates: int = REPLICATES
) -> pd.DataFrame:
    """One row per arm, condition and seed that the baseline has as well, with the columns `COLUMNS`.

    `difference` is the arm's WER less the baseline's, as a fraction; `diff_low` to `diff_high` its 95 % interval when
    `resampled` (speakers, or utterances where there are too few speakers) are drawn anew, for both alike. `segments`, `z`
    and `p` are MAPSSWE's, z positive where the arm makes more errors; NaN for counts without alignments.
    """
    data = cells(counts)
    if baseline not in data.arms:
        return pd.DataFrame(columns=COLUMNS)
    tests = _matched(counts, baseline) if ALIGNMENT in counts else {}
    places = list(_pairs(data, data.arms.index(baseline)))
    lows, highs = _percentiles(data, data.arms.index(baseline), places, rng, replicates)
    rows = []
    for (arm, condition, seed), low, high in zip(places, lows, highs, strict=True):
        wrong = data.errors[arm, condition, seed] - data.errors[data.arms.index(baseline), condition, seed]
        key = data.arms[arm], data.conditions[condition], data.seeds[seed]
        difference = float(wrong.sum() / data.reference[condition].sum())
        rows.append((*key, difference, low, high, f"{data.unit}s", *tests.get(key, (math.nan, math.nan, math.nan))))
    return pd.DataFrame(rows, columns=COLUMNS)


def _pairs(data: Cells, baseline: int) -> Iterator[tuple[int, int, int]]:
    """Indices (arm, condition, seed) of trials that the baseline has, too."""
    both = data.scored & data.scored[baseline]
    both[baseline] = False
    yield from map(tuple, np.argwhere(both).tolist())


def _percentiles(
    data: Cells, baseline: int, places: list[tuple[int, int, int]], rng: np.random.Generator, replicates: int
) -> tuple[np.ndarray, np.ndarray]:
    """The middle 95 % of each pair's difference over draws of units, the same for all."""
    if not places:
        return np.empty(0), np.empty(0)
    arms, conditions, seeds = np.array(places).T
    wrong = (data.errors[arms, conditions, seeds] - data.errors[baseline, conditions, seeds]).astype(np.float32)
    lengths, drawn = data.reference.astype(np.float32), list[np.ndarray]()
    for weights in unit_weights(wrong.shape[1], replicates, rng):
        drawn.append((wrong @ weights.T) / np.maximum(lengths @ weights.T, 1)[conditions])
    low, high = np.percentile(np.concatenate(drawn, axis=1), [2.5, 97.5], axis=1)
    return low, high


def _matched(counts: pd.DataFrame, baseline: str) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    """(arm, condition, seed) -> segments, z and p against the baseline's checkpoint of that seed."""
    groups = dict(iter(counts.groupby(["arm", "condition", "seed"], sort=False, observed=True)))

    @lru_cache(maxsize=2)  # of the baseline, whose trials come once for every arm
    def placed(arm: str, condition: str, seed: int) -> Slots:
        return slots(groups[arm, condition, seed].sort_values("utterance_id")[ALIGNMENT].tolist())

    found = {}
    for arm, condition, seed in sorted(groups, key=lambda key: key[1:]):
        if arm != baseline and (baseline, condition, seed) in groups:
            test = matched_pairs(placed(arm, condition, seed), placed(baseline, condition, seed))
            found[arm, condition, seed] = (test.segments, test.z, test.p)
    return found
