"""Tests of the trained checkpoints, seed by seed: secondary evidence, and labelled as such.

Such a test says whether the arm's checkpoint of a seed and the baseline's checkpoint of that seed differ on more speech of the
same kind. It does not say that the *part* matters: with a standard deviation of 0.3 points between seeds, it calls 15-20 % of
null effects significant.
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
from ablation.stats.metrics import Metric, metric_of

LABEL = "these checkpoints only"
COLUMNS = ["arm", "condition", "seed", "difference", "diff_low", "diff_high", "resampled", "segments", "z", "p"]


def these_checkpoints(
    counts: pd.DataFrame,
    baseline: str,
    rng: np.random.Generator,
    *,
    metric: str | Metric = "wer",
    replicates: int = REPLICATES,
) -> pd.DataFrame:
    """Return one row per arm, condition and seed that the baseline has as well, with the columns `COLUMNS`.

    `difference` is the arm's rate minus the baseline's, as a fraction; `diff_low` to `diff_high` is its 95 % confidence interval
    for new draws of `resampled` (speakers, or utterances if there are too few speakers), paired. `segments`, `z` and `p` are those
    of MAPSSWE, z positive if the arm makes more errors. They are NaN without stored alignments of the metric.
    """
    data, alignment = cells(counts, metric), metric_of(metric).alignment
    if baseline not in data.arms:
        return pd.DataFrame(columns=COLUMNS)
    tests = _matched(counts, baseline, alignment) if alignment is not None and alignment in counts else {}
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
    """Indices (arm, condition, seed) of trials that the baseline has as well."""
    both = data.scored & data.scored[baseline]
    both[baseline] = False
    yield from map(tuple, np.argwhere(both).tolist())


def _percentiles(
    data: Cells, baseline: int, places: list[tuple[int, int, int]], rng: np.random.Generator, replicates: int
) -> tuple[np.ndarray, np.ndarray]:
    """The 2.5th and 97.5th percentiles of each pair's difference over draws of units, the same draws for all."""
    if not places:
        return np.empty(0), np.empty(0)
    arms, conditions, seeds = np.array(places).T
    wrong = (data.errors[arms, conditions, seeds] - data.errors[baseline, conditions, seeds]).astype(np.float32)
    lengths, drawn = data.reference.astype(np.float32), list[np.ndarray]()
    for weights in unit_weights(wrong.shape[1], replicates, rng):
        drawn.append((wrong @ weights.T) / np.maximum(lengths @ weights.T, 1)[conditions])
    low, high = np.percentile(np.concatenate(drawn, axis=1), [2.5, 97.5], axis=1)
    return low, high


def _matched(counts: pd.DataFrame, baseline: str, alignment: str) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    """(arm, condition, seed) -> segments, z and p against the baseline's checkpoint of that seed."""
    ordered = counts.sort_values("utterance_id").groupby(["arm", "condition", "seed"], sort=False, observed=True)
    groups = {key: alignments.tolist() for key, alignments in ordered[alignment]}

    @lru_cache(maxsize=2)  # for the baseline, whose trials are needed once for every arm
    def placed(arm: str, condition: str, seed: int) -> Slots:
        return slots(groups[arm, condition, seed])

    found = {}
    for arm, condition, seed in sorted(groups, key=lambda key: key[1:]):
        if arm != baseline and (baseline, condition, seed) in groups:
            test = matched_pairs(placed(arm, condition, seed), placed(baseline, condition, seed))
            found[arm, condition, seed] = (test.segments, test.z, test.p)
    return found
