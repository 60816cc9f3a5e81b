"""Intervals of WERs and of differences for another draw of seeds *and* of test speakers: a two-level bootstrap.

The two levels are crossed: every seed's model is scored on the same units (speakers, or utterances where there are too
few speakers). A replicate draws units with replacement, the same ones for all arms, conditions and seeds, and seeds with
replacement, the same ones for an arm and its baseline; so differences stay paired over both. Of n seeds or units n - 1
are drawn, which makes the bootstrap's variance unbiased (Rao and Wu, J. Am. Stat. Assoc. 83, 1988): with three seeds, n of
n would lose a third of it. What single cells (a seed's luck with a unit) add is in the variance over seeds and in the one
over units, and three times in that of drawing both (Owen, Ann. Appl. Stat. 1, 2007); it is taken off until it is counted
once. The interval is the estimate -+ t times the standard error, as three to five seeds have too few different resamples
for percentiles; t has Satterthwaite's degrees of freedom.
"""

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import stats

from ablation.cells import Cells, cells

REPLICATES, CHUNK = 2000, 250
COLUMNS = [
    "arm",
    "condition",
    "wer",
    "wer_low",
    "wer_high",
    "difference",
    "diff_low",
    "diff_high",
    "resampled",
    "seeds",
    "units",
]


def intervals(
    counts: pd.DataFrame,
    baseline: str,
    rng: np.random.Generator,
    *,
    metric: str = "wer",
    replicates: int = REPLICATES,
    level: float = 0.95,
) -> pd.DataFrame:
    """One row per arm and condition, in their order of appearance, with the columns `COLUMNS`.

    `counts` has a row per arm, seed, condition and utterance. `wer` is pooled over the arm's `seeds`; `difference` is
    that to the baseline over the seeds which both have. Intervals are of `level` each, for seeds and `units` (speakers or
    utterances, as `resampled` says) drawn anew; NaN with fewer than two seeds. Unlike those of `significance.compare`
    they are not widened for the number of arms, and each arm's spread over seeds is its own.
    """
    data = cells(counts, metric)
    levels = TwoLevels(data, rng, replicates)
    rows = [
        _row(levels, arm, condition, data.arms.index(baseline) if baseline in data.arms else None, level)
        for arm in range(len(data.arms))
        for condition in range(len(data.conditions))
        if data.scored[arm, condition].any()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def unit_weights(units: int, replicates: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each unit is drawn, in chunks of replicates: (chunk, units); n - 1 of n are drawn."""
    for start in range(0, replicates, CHUNK):
        size = min(CHUNK, replicates - start)
        drawn = rng.integers(0, units, (size, max(1, units - 1))) + units * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(np.float32)


class TwoLevels:
    """The replicates: errors of every trial, and reference lengths, under each draw of units, kept for all arms."""

    def __init__(self, data: Cells, rng: np.random.Generator, replicates: int) -> None:
        self.data, self.replicates = data, replicates
        self._rng = rng
        flat = data.errors.reshape(-1, data.errors.shape[-1]).astype(np.float32)
        parts = [
            (flat @ w.T, data.reference.astype(np.float32) @ w.T) for w in unit_weights(flat.shape[1], replicates, rng)
        ]
        errors, lengths = (np.concatenate(side, axis=1) for side in zip(*parts, strict=True))
        self.errors = errors.reshape(*data.errors.shape[:3], replicates)  # (arms, conditions, seeds, replicates)
        self.lengths = np.maximum(lengths, 1)  # (conditions, replicates)

    @cached_property
    def _seed_weights(self) -> dict[int, np.ndarray]:
        """Number of seeds -> how often each is drawn (replicates, seeds), as shares."""
        return {
            n: self._rng.multinomial(n - 1, np.full(n, 1 / n), self.replicates) / (n - 1)
            for n in range(2, len(self.data.seeds) + 1)
        }

    def estimate(self, sign: dict[int, int], condition: int, seeds: np.ndarray) -> float:
        """The signed sum of arms' rates over `seeds`, e.g. {arm: 1, baseline: -1}."""
        total = sum(factor * self.data.errors[arm, condition, seeds].sum() for arm, factor in sign.items())
        return float(total / (len(seeds) * self.data.reference[condition].sum()))

    def error(self, sign: dict[int, int], condition: int, seeds: np.ndarray) -> tuple[float, float]:
        """Standard error of `estimate`, and its degrees of freedom."""
        single = sum(factor * self.data.errors[arm, condition, seeds].sum(axis=-1) for arm, factor in sign.items())
        whole = single / self.data.reference[condition].sum()  # (seeds,)
        drawn = sum(factor * self.errors[arm, condition, seeds] for arm, factor in sign.items())
        rates = drawn / self.lengths[condition]  # (seeds, replicates)
        n, units = len(seeds), self.data.errors.shape[-1]
        weights = self._seed_weights[n]
        of_seeds = float(whole.var(ddof=1) / n)  # what drawing seeds alone comes to with ever more replicates
        of_units = float(rates.mean(axis=0).var())
        both = float((weights * rates.T).sum(axis=1).var())
        cell = max(0.0, both - of_seeds - of_units)
        variance = max(of_seeds + of_units - cell, of_seeds, of_units)
        parts = of_seeds**2 / (n - 1) + max(0.0, of_units - cell) ** 2 / max(1, units - 1)
        return math.sqrt(variance), variance**2 / parts if parts else math.inf


def _row(levels: TwoLevels, arm: int, condition: int, baseline: int | None, level: float) -> tuple:
    data = levels.data
    own = np.flatnonzero(data.scored[arm, condition])
    wer, low, high = interval(levels, {arm: 1}, condition, own, level)
    difference = (math.nan, math.nan, math.nan)
    if baseline is not None and baseline != arm:
        both = np.flatnonzero(data.scored[arm, condition] & data.scored[baseline, condition])
        if len(both):
            difference = interval(levels, {arm: 1, baseline: -1}, condition, both, level)
    names = data.arms[arm], data.conditions[condition]
    return (
        *names,
        wer,
        float(np.maximum(0.0, low)),
        high,
        *difference,
        f"seeds and {data.unit}s",
        len(own),
        data.errors.shape[-1],
    )


def interval(
    levels: TwoLevels, sign: dict[int, int], condition: int, seeds: np.ndarray, level: float
) -> tuple[float, float, float]:
    """Estimate and the ends of its interval for the signed sum of arms' rates; NaN ends with one seed."""
    estimate = levels.estimate(sign, condition, seeds)
    if len(seeds) < 2:
        return estimate, math.nan, math.nan
    error, freedom = levels.error(sign, condition, seeds)
    reach = float(stats.t.ppf(0.5 + level / 2, freedom)) * error
    return estimate, estimate - reach, estimate + reach
