"""Repeated confidence intervals of contrasts: those of `contrasts.compare_contrasts` at the level of a look instead of 5 %."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ablation.plan.contrasts import Contrast
from ablation.stats.block_design import Model, model
from ablation.stats.contrasts import KEYS
from ablation.stats.max_t import AnyDf
from ablation.stats.scoring import pool
from ablation.stats.sequential_intervals import Error, pooled_errors, wider
from ablation.stats.spreads import doubt_of

Place = tuple[str, str, str]  # family, contrast, condition


def contrast_errors(
    counts: pd.DataFrame,
    contrasts: Sequence[Contrast],
    table: pd.DataFrame,
    levels: Mapping[str, float],
    conditions: int,
    metric: str = "wer",
) -> Mapping[Place, Error]:
    """Return an `Error` for every row of `table` that has an interval; `table` is `compare_contrasts` of `counts`.

    `levels` has the level of the look for each family. A level of 0 gives no intervals.
    """
    trials = pool(counts, ["arm", "seed", "condition"], metric).rename(columns={metric: "wer"})
    found: dict[Place, Error] = {}
    for condition, rows in table[table["diff_low"].notna()].groupby("condition", sort=False):
        fitted = model(trials[trials["condition"] == condition], paired=True)
        for family, mine in rows.groupby("family", sort=False):
            tested = [each for each in contrasts if each.family == family and each.name in {*mine["contrast"]}]
            if levels[str(family)]:
                errors = _family(fitted, tested, levels[str(family)], conditions)
                found |= {(str(family), name, str(condition)): error for name, error in errors.items()}
    return found


def _family(fitted: Model, tested: Sequence[Contrast], level: float, conditions: int) -> dict[str, Error]:
    """Return contrast -> error for the contrasts of one family in one condition."""
    weights = np.array([[each.weights.get(arm, 0.0) for arm in fitted.arms] for each in tested])
    pooled, coefficients = fitted.contrasts([each.name for each in tested], weights), fitted.coefficients(weights)
    joint = AnyDf(pooled.correlation)
    errors = pooled_errors(pooled, joint, level, conditions)
    for place, each in enumerate(tested):
        doubt = doubt_of(fitted, each.weights)
        for spread in doubt.spreads if doubt and doubt.decides else ():
            errors[each.name] = wider(errors[each.name], *spread.error(coefficients[place]), joint, level, conditions)
    return errors


def with_errors(table: pd.DataFrame, known: Mapping[Place, Error]) -> pd.DataFrame:
    """Return the table with the intervals and detectable sizes of the look; without an error there are none."""
    table, columns = table.copy(), ["diff_low", "diff_high", "detectable"]
    for row, (family, name, condition) in zip(table.index, table[[*KEYS, "condition"]].to_numpy(), strict=True):
        error = known.get((family, name, condition))
        table.loc[row, columns] = [np.nan] * 3 if error is None else [error.low, error.high, error.detectable]
    return table
