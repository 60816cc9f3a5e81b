"""Repeated confidence intervals: intervals of differences that hold over all looks at once, and so after any kind of stop.

They are those of `significance.compare` at the level of the look instead of 5 % (Jennison and Turnbull, J. R. Stat. Soc. B 51,
1989).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from ablation.stats.block_design import Fit, differences, loadings, model
from ablation.stats.dunnett import ManyToOne, noncentrality
from ablation.stats.scoring import pool
from ablation.stats.separate_spreads import Joint
from ablation.stats.significance import POWER
from ablation.stats.spreads import doubts


@dataclass(frozen=True)
class Error:
    """A difference to the baseline with its standard error, and its interval and detectable difference at the level of a look.

    `error` and `df` are those of the pooled variance. The interval is the wider one where a second test counts.
    """

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
        judged = _judged(table, str(name), baseline)
        fitted = model(trials[trials["condition"] == name], [baseline, *judged], paired=True)
        pooled = differences(fitted, baseline, judged)
        joint = ManyToOne(loadings(pooled.correlation))
        coefficients = fitted.coefficients(fitted.against(baseline, judged))
        mine = pooled_errors(pooled, joint, level, conditions)
        for arm, doubt in doubts(fitted, baseline, judged).items():
            for each in doubt.spreads if doubt.decides else ():  # as the tests: `separate_spreads.careful`
                mine[arm] = wider(mine[arm], *each.error(coefficients[judged.index(arm)]), joint, level, conditions)
        arms = set(rows["arm"])
        found |= {(arm, str(name)): error for arm, error in mine.items() if arm in arms}
    return found


def _judged(table: pd.DataFrame, condition: str, baseline: str) -> list[str]:
    rows = table[(table["condition"] == condition) & (table["arm"] != baseline)]
    return [str(arm) for arm in rows.loc[rows["pairs"] > 1, "arm"]]


def pooled_errors(found: Fit, joint: Joint, level: float, conditions: int) -> dict[str, Error]:
    """Return the error of every difference or contrast of a fit by its pooled variance."""
    reach = joint.critical(level, found.df)
    needed = noncentrality(joint.critical(level / conditions, found.df), found.df, POWER)
    errors = {}
    for name, difference, scale in zip(found.arms, found.differences.tolist(), found.scale.tolist(), strict=True):
        error = scale * found.sd
        low, high = difference - reach * error, difference + reach * error
        errors[name] = Error(difference, error, low, high, needed * error, found.df)
    return errors


def wider(pooled: Error, error: float, df: float, joint: Joint, level: float, conditions: int) -> Error:
    """Combine an error with another standard error of the same difference; the wider one counts."""
    if not error:
        return pooled
    reach = joint.critical(level, df) * error
    hardest = joint.critical(level / conditions, df)
    return replace(
        pooled,
        low=min(pooled.low, pooled.difference - reach),
        high=max(pooled.high, pooled.difference + reach),
        detectable=max(pooled.detectable, noncentrality(hardest, df, POWER) * error),
    )
