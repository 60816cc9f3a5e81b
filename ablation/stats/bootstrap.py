"""Confidence intervals of WERs and of differences over seeds *and* test speakers: a two-level bootstrap.

The two levels are crossed: every seed's model is scored on the same units (speakers, or utterances if there are too few speakers).
A replicate draws units with replacement, the same ones for all arms, conditions and seeds, so differences stay paired over both
levels. Of n units n - 1 are drawn, which makes the bootstrap's variance unbiased (Rao and Wu, J. Am. Stat. Assoc. 83, 1988).
Drawing seeds as well would count the interaction of seeds and units three times (Owen, Ann. Appl. Stat. 1, 2007). So the level of
the seeds is computed in closed form: it adds the variance between seeds over their number, and the units add the covariance
*between* seeds over the replicates of units (Obuchowski and Rockette, Commun. Stat. Simul. Comput. 24, 1995).

Three to five seeds have too few different resamples for percentiles, so an interval is the estimate -+ t times the standard error.
With three seeds, Satterthwaite's degrees of freedom (as in Hillis, Stat. Med. 26, 2007) cover up to 3 % too few, and Cochran's
weighted t (Biometrics 20, 1964) as many too many; the mean of both covers 93 to 97 %. The interval of an error rate is computed on
its square root, whose variance is about constant for counts of errors.
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ablation.stats.cells import Cells, cells
from ablation.stats.metrics import Metric, metric_of
from ablation.stats.significance import RATES

REPLICATES, CHUNK = 2000, 250
LEAST_SEEDS = (
    3  # two leave one degree of freedom: the intervals would contradict the verdict, whose variance is pooled over arms
)
COLUMNS = [*RATES, "resampled", "seeds", "units"]


def intervals(
    counts: pd.DataFrame,
    baseline: str,
    rng: np.random.Generator,
    *,
    metric: str | Metric = "wer",
    replicates: int = REPLICATES,
    level: float = 0.95,
) -> pd.DataFrame:
    """Return one row per arm and condition, in their order of appearance, with the columns `COLUMNS`.

    `counts` has a row per arm, seed, condition and utterance. `wer` is pooled over the arm's `seeds`; `difference` is arm minus
    baseline over the seeds of both. Each interval has the confidence `level` for new draws of seeds and of `units` (speakers or
    utterances, as `resampled` says). It is NaN with fewer than three seeds, or if nothing varies. Unlike the intervals of
    `significance.compare`, they are not simultaneous over arms, and each uses its own arm's variance over seeds.
    """
    data, is_rate = cells(counts, metric), metric_of(metric).is_rate
    levels = TwoLevels(data, rng, replicates)
    rows = [
        _row(
            levels, arm, condition, data.arms.index(baseline) if baseline in data.arms else None, level, is_rate=is_rate
        )
        for arm in range(len(data.arms))
        for condition in range(len(data.conditions))
        if data.scored[arm, condition].any()
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def unit_weights(units: int, replicates: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield how often each unit is drawn, in chunks of replicates: (chunk, units); n - 1 of n are drawn."""
    for start in range(0, replicates, CHUNK):
        size = min(CHUNK, replicates - start)
        drawn = rng.integers(0, units, (size, max(1, units - 1))) + units * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(np.float32)


class TwoLevels:
    """The replicates: errors of every trial, and reference lengths, for each draw of units."""

    def __init__(self, data: Cells, rng: np.random.Generator, replicates: int) -> None:
        self.data = data
        flat = data.errors.reshape(-1, data.errors.shape[-1]).astype(np.float32)
        parts = [
            (flat @ w.T, data.reference.astype(np.float32) @ w.T) for w in unit_weights(flat.shape[1], replicates, rng)
        ]
        errors, lengths = (np.concatenate(side, axis=1) for side in zip(*parts, strict=True))
        self.errors = errors.reshape(*data.errors.shape[:3], replicates)  # (arms, conditions, seeds, replicates)
        self.lengths = np.maximum(lengths, 1)  # (conditions, replicates)

    def estimate(self, sign: dict[int, int], condition: int, seeds: np.ndarray) -> float:
        """Return the signed sum of arms' rates over `seeds`, for signs such as {arm: 1, baseline: -1}."""
        total = sum(factor * self.data.errors[arm, condition, seeds].sum() for arm, factor in sign.items())
        return float(total / (len(seeds) * self.data.reference[condition].sum()))

    def variances(self, sign: dict[int, int], condition: int, seeds: np.ndarray) -> tuple[float, float]:
        """Return the variances of `estimate` due to seeds and due to units; their interaction counts with the seeds."""
        single = sum(factor * self.data.errors[arm, condition, seeds].sum(axis=-1) for arm, factor in sign.items())
        whole = single / self.data.reference[condition].sum()  # (seeds,)
        drawn = sum(factor * self.errors[arm, condition, seeds] for arm, factor in sign.items())
        rates = drawn / self.lengths[condition]  # (seeds, replicates)
        n = len(seeds)
        of_mean, of_single = float(rates.mean(axis=0).var()), float(rates.var(axis=1).mean())
        between = (n * of_mean - of_single) / (n - 1)  # the mean covariance of two seeds
        return float(whole.var(ddof=1)) / n, max(0.0, between)


def _row(
    levels: TwoLevels, arm: int, condition: int, baseline: int | None, level: float, *, is_rate: bool = True
) -> tuple:
    data = levels.data
    own = np.flatnonzero(data.scored[arm, condition])
    wer, low, high = interval(levels, {arm: 1}, condition, own, level)
    if is_rate:
        wer, low, high = rooted(wer, low, high)
    difference = (math.nan, math.nan, math.nan)
    if baseline is not None and baseline != arm:
        both = np.flatnonzero(data.scored[arm, condition] & data.scored[baseline, condition])
        if len(both):
            difference = interval(levels, {arm: 1, baseline: -1}, condition, both, level)
    names = data.arms[arm], data.conditions[condition]
    return (
        *names,
        wer,
        low,
        high,
        *difference,
        f"seeds and {data.unit}s",
        len(own),
        data.errors.shape[-1],
    )


def interval(
    levels: TwoLevels, sign: dict[int, int], condition: int, seeds: np.ndarray, level: float
) -> tuple[float, float, float]:
    """Return the estimate and its confidence limits for the signed sum of arms' rates; NaN limits below `LEAST_SEEDS`."""
    estimate = levels.estimate(sign, condition, seeds)
    if len(seeds) < LEAST_SEEDS:
        return estimate, math.nan, math.nan
    n, units = len(seeds), levels.data.errors.shape[-1]
    margin_of_error = _margin_of_error(levels.variances(sign, condition, seeds), (n - 1, max(1, units - 1)), level)
    return estimate, estimate - margin_of_error, estimate + margin_of_error


def _margin_of_error(variances: tuple[float, float], dfs: tuple[int, int], level: float) -> float:
    """Half the width of an interval whose variance is a sum of two, each with its degrees of freedom; NaN if both are 0."""
    parts, df = np.array(variances), np.array(dfs)
    total = parts.sum()
    if not total:
        return math.nan
    shares, tail = parts / total, 0.5 + level / 2
    satterthwaite = stdtrit(1 / (shares**2 / df).sum(), tail)  # the same digits as scipy.stats.t.ppf, much faster
    cochran = shares @ stdtrit(df, tail)
    return float((satterthwaite + cochran) / 2 * math.sqrt(total))


def rooted(rate: float, low: float, high: float) -> tuple[float, float, float]:
    """Return the rate and its confidence limits computed on the square root of the rate."""
    if not rate:
        return rate, math.nan, math.nan
    root, margin_of_error = math.sqrt(rate), (high - low) / 4 / math.sqrt(rate)
    return rate, float(np.maximum(0.0, root - margin_of_error)) ** 2, (root + margin_of_error) ** 2
