"""Repeated confidence intervals: intervals of differences that hold over all looks at once, and so after any kind of stop.

They are those of `significance.compare` at the level of the look instead of 5 % (Jennison and Turnbull, J. R. Stat. Soc. B 51,
1989).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from ablation.stats import tails
from ablation.stats.block_design import Fit, fit, loadings
from ablation.stats.dunnett import critical, noncentrality
from ablation.stats.scoring import pool
from ablation.stats.significance import POWER
from ablation.stats.spreads import Own, own


@dataclass(frozen=True)
class Error:
    """A difference to the baseline with its standard error, and its interval and detectable difference at the level of a look."""

    difference: float
    error: float
    low: float
    high: float
    detectable: float
    df: float


def errors(
    counts: pd.DataFrame, table: pd.DataFrame, baseline: str, level: float, conditions: int, metric: str = "wer"
) -> Mapping[tuple[str, str], Error]:
    """Return (arm, condition) -> `Error` for every row of `table` that has an interval; `table` is `compare` of `counts`."""
    if not level:
        return {}
    trials = pool(counts, ["arm", "seed", "condition"], metric).rename(columns={metric: "wer"})
    found: dict[tuple[str, str], Error] = {}
    for name, rows in table[table["diff_low"].notna()].groupby("condition", sort=False):
        here, arms = trials[trials["condition"] == name], rows["arm"].tolist()
        pooled = fit(here, baseline, _judged(table, str(name), baseline), paired=True)
        mine = _pooled(pooled, level, conditions)
        found |= {(arm, str(name)): error for arm, error in mine.items() if arm in arms}
        for arm in rows.loc[rows["caution"] != "", "arm"]:
            alone = own(here, arm, baseline, paired=True)
            found[arm, str(name)] = wider(found[arm, str(name)], alone, level / len(pooled.arms), conditions)
    return found


def _judged(table: pd.DataFrame, condition: str, baseline: str) -> list[str]:
    rows = table[(table["condition"] == condition) & (table["arm"] != baseline)]
    return [str(arm) for arm in rows.loc[rows["pairs"] > 1, "arm"]]


def _pooled(found: Fit, level: float, conditions: int) -> dict[str, Error]:
    shared = loadings(found.correlation)
    reach = critical(level, shared, found.df)
    needed = noncentrality(critical(level / conditions, shared, found.df), found.df, POWER)
    errors = {}
    for arm, difference, scale in zip(found.arms, found.differences.tolist(), found.scale.tolist(), strict=True):
        error = scale * found.sd
        low, high = difference - reach * error, difference + reach * error
        errors[arm] = Error(difference, error, low, high, needed * error, found.df)
    return errors


def wider(pooled: Error, alone: Own, level: float, conditions: int) -> Error:
    """Combine an error with that from the arms' own trials, at a level divided by the number of tests; the wider counts."""
    if not alone.error:
        return pooled
    half = float(tails.t_isf(level / 2, alone.df)) * alone.error
    hardest = float(tails.t_isf(level / conditions / 2, alone.df))
    return Error(
        pooled.difference,
        max(pooled.error, alone.error),
        min(pooled.low, alone.difference - half),
        max(pooled.high, alone.difference + half),
        max(pooled.detectable, noncentrality(hardest, alone.df, POWER) * alone.error),
        min(pooled.df, alone.df),
    )
