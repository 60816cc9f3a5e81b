"""Arms whose seeds fall into two groups: a few end far from the others, as where training did not converge.

The verdicts do not depend on it. Values are those of the first condition, sorted. A split into two groups is measured by the gap
between them over the standard deviation of the larger group. `CRITICAL` has the quantiles of the largest such ratio for normal
seeds, which depend neither on their mean nor on their spread; `bench/seed_groups.py` draws them and the rates of false alarms.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ablation.records import Study
from ablation.stats.metrics import Metric
from ablation.stats.scoring import pool

FEWEST_SEEDS = 3
FEW_SEEDS = 4  # up to here, a level of 1 % would find nothing
# Of one arm, with few seeds and with more; TIMES and PARTS make studies with any alarm rare.
LEVELS_OF_RATES = (0.05, 0.01)
LEVEL_OF_STUDIES = 0.01
TIMES = 2.5  # a group above the others has at least so many times their mean error rate
PARTS = 5.0  # a group below the others has at most this part of their mean error rate
STANDARD_ERRORS = 4.0  # of the difference of two trials, over utterances
LEVELS = (0.05, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001)
# Number of seeds -> the largest ratio of normal seeds is above it with the probability of `LEVELS`.
CRITICAL: dict[int, tuple[float, ...]] = {
    3: (46.1, 235.3, 468, 1169, 2335, 4615, 11930, 23350),
    4: (40.38, 197.9, 392.5, 975.2, 1909, 3867, 10180, 20170),
    5: (9.014, 19.88, 27.91, 43.94, 61.83, 87.26, 135.9, 195),
    6: (8.23, 18.01, 25.33, 39.69, 55.57, 78.83, 124.4, 176.7),
    7: (5.104, 8.766, 11, 14.91, 18.8, 23.35, 32.04, 40.97),
    8: (4.747, 8.08, 10.13, 13.63, 17.17, 21.8, 29.16, 36.64),
    9: (3.734, 5.725, 6.813, 8.534, 10.12, 12.04, 15.16, 17.85),
    10: (3.526, 5.362, 6.357, 7.965, 9.465, 11.25, 14.2, 17.2),
    11: (3.05, 4.407, 5.087, 6.112, 7.042, 8.079, 9.703, 11.27),
    12: (2.909, 4.175, 4.813, 5.804, 6.647, 7.65, 9.264, 10.78),
    16: (2.299, 3.135, 3.525, 4.062, 4.507, 4.962, 5.623, 6.143),
}


@dataclass(frozen=True)
class SeedGroups:
    """The seeds of an arm in two groups. `seeds` are those of the smaller group, with their values; `others` are the rest.

    `inferred` is True if the arm alone does not show it, but the same seeds stand apart in another arm.
    """

    arm: str
    condition: str
    seeds: dict[int, float]
    others: dict[int, float]
    inferred: bool = False


def seed_groups(study: Study, counts: pd.DataFrame, metric: Metric) -> list[SeedGroups]:
    """Return the arms whose seeds fall into two groups, in the study's order. The counts have the columns of the metric."""
    condition = study.conditions[0]
    trials = pool(counts[counts["condition"] == condition], ["arm", "seed"], metric)
    ordered = [arm.arm for arm in study.arms if arm.arm in set(trials["arm"])]
    arms = {arm: trials[trials["arm"] == arm].sort_values([metric.column, "seed"]) for arm in ordered}
    large = {arm: rows for arm, rows in arms.items() if len(rows) >= FEWEST_SEEDS}
    found: dict[str, SeedGroups] = {}
    for arm, rows in large.items():
        size = _split(rows, metric, len(large))
        if size is not None and _beyond_test_set(counts, rows.iloc[size - 1 : size + 1], condition, metric):
            found[arm] = _groups(arm, condition, rows, size, metric)
    same = [each for arm in large if arm not in found for each in _inferred(large[arm], [*found.values()], metric)]
    found |= {each.arm: each for each in same}
    return [found[arm] for arm in ordered if arm in found]


def ratios(values: np.ndarray, least_sd: float = 0.0) -> np.ndarray:
    """Return the ratio of each split of sorted values (..., n) as an array (..., n - 1).

    Of two groups of the same size, the one with the smaller standard deviation counts. A standard deviation is at least `least_sd`.
    """
    n, found = values.shape[-1], []
    for size in range(1, n):
        halves = [half for half in (values[..., :size], values[..., size:]) if half.shape[-1] >= max(2, n / 2)]
        sd = np.min([half.std(-1, ddof=1) for half in halves], axis=0)
        gap = values[..., size] - values[..., size - 1]
        found.append(gap / np.maximum(sd, max(least_sd, 1e-300)))
    return np.stack(found, -1)


def critical(seeds: int, level: float) -> float | None:
    """Return the ratio that normal seeds exceed with a probability of at most `level`; None below the table's levels."""
    known = [each for each in LEVELS if each <= level]
    row = CRITICAL[max(number for number in CRITICAL if number <= seeds)]
    return row[LEVELS.index(known[0])] if known else None


def splits(values: np.ndarray, least_sd: float, *, is_rate: bool, arms: int) -> np.ndarray:
    """Return the splits of sorted values (..., n) that make two groups, as an array (..., n - 1) of True and False.

    Error rates also differ by `TIMES` or `PARTS`. Other values have no such scale, so their level is `LEVEL_OF_STUDIES` over all
    arms.
    """
    seeds = values.shape[-1]
    limit = critical(seeds, LEVELS_OF_RATES[seeds > FEW_SEEDS] if is_rate else LEVEL_OF_STUDIES / arms)
    if limit is None:
        return np.zeros((*values.shape[:-1], seeds - 1), dtype=bool)
    apart = ratios(values, least_sd) > limit
    return apart & _relevant(values) if is_rate else apart


def _relevant(values: np.ndarray) -> np.ndarray:
    """Return the splits of sorted error rates whose smaller group is far from the mean of the larger one."""
    found = []
    for size in range(1, values.shape[-1]):
        low, high = values[..., :size], values[..., size:]
        above = (high[..., 0] >= TIMES * low.mean(-1)) & (low.shape[-1] >= high.shape[-1])
        below = (PARTS * low[..., -1] <= high.mean(-1)) & (high.shape[-1] >= low.shape[-1])
        found.append(above | below)
    return np.stack(found, -1)


def _split(rows: pd.DataFrame, metric: Metric, arms: int) -> int | None:
    """Return the number of values below the gap; None without two groups."""
    values = rows[metric.column].to_numpy(dtype=float)
    step = 1 / float(rows[metric.length].min()) if metric.is_rate else _step(values)
    least_sd = step / 12**0.5  # of rounding
    apart = splits(values, least_sd, is_rate=metric.is_rate, arms=arms)
    return int(np.where(apart, ratios(values, least_sd), 0).argmax()) + 1 if apart.any() else None


def _step(values: np.ndarray) -> float:
    """Return the unit of the last decimal of the values, such as 0.01; equal values of few digits have no spread to measure."""
    for digits in range(10):
        if np.allclose(values, values.round(digits), rtol=0, atol=1e-9):
            return float(10.0**-digits)
    return 0.0


def _beyond_test_set(counts: pd.DataFrame, pair: pd.DataFrame, condition: str, metric: Metric) -> bool:
    """Return True if the gap between two trials is larger than other utterances explain."""
    low, high = pair[metric.column]
    variance = 0.0
    for arm, seed, rate in zip(pair["arm"], pair["seed"], pair[metric.column], strict=True):
        chosen = (counts["arm"] == arm) & (counts["seed"] == seed) & (counts["condition"] == condition)
        rows = counts[chosen]
        residual = rows[[*metric.errors]].sum(axis=1) - rate * rows[metric.length]
        variance += float((residual**2).sum() / rows[metric.length].sum() ** 2)
    return bool(high - low >= STANDARD_ERRORS * variance**0.5)


def _groups(
    arm: str, condition: str, rows: pd.DataFrame, size: int, metric: Metric, *, inferred: bool = False
) -> SeedGroups:
    """Return the two sides of a split; of two of the same size, the worse one stands apart."""
    sides = [
        {int(seed): float(value) for seed, value in zip(part["seed"], part[metric.column], strict=True)}
        for part in (rows.iloc[:size], rows.iloc[size:])
    ]
    few, rest = sorted(sides, key=len)
    if len(few) == len(rest) and not metric.higher_is_better:
        few, rest = rest, few
    return SeedGroups(arm, condition, dict(sorted(few.items())), dict(sorted(rest.items())), inferred)


def _inferred(rows: pd.DataFrame, found: Sequence[SeedGroups], metric: Metric) -> list[SeedGroups]:
    """Return the groups of an arm in which the seeds of another arm's group stand apart, too: the largest such split, or none.

    Their values are beyond all others, and the means differ by `TIMES`, or the gap is larger than the range of the other seeds.
    """
    seeds, values = rows["seed"].tolist(), rows[metric.column].to_numpy(dtype=float)
    for other in sorted(found, key=lambda each: -len(each.seeds)):
        apart = set(other.seeds) & set(seeds)
        worse_is_high = min(other.seeds.values()) > max(other.others.values())
        size = len(seeds) - len(apart) if worse_is_high else len(apart)
        expected = seeds[size:] if worse_is_high else seeds[:size]
        if not apart or set(expected) != apart or 2 * len(apart) > len(seeds):
            continue
        if _differ(values[:size], values[size:], is_rate=metric.is_rate, low_stays=worse_is_high):
            return [_groups(rows["arm"].iloc[0], other.condition, rows, size, metric, inferred=True)]
    return []


def _differ(low: np.ndarray, high: np.ndarray, *, is_rate: bool, low_stays: bool) -> bool:
    if is_rate:
        return bool(high.mean() >= TIMES * low.mean())
    rest = low if low_stays else high
    return bool(high.min() - low.max() > np.ptp(rest))
