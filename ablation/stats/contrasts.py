"""Tests of contrasts: what each rung of a ladder adds, and the main effects and interactions of a factorial.

The model is that of `ablation.stats.block_design`: wer = arm + seed + residual, with one variance pooled over all arms of a study,
and missing trials left out. All contrasts of a family are tested together in each condition by the multivariate t distribution of
their estimates (Hothorn, Bretz and Westfall, Biometrical Journal 50, 2008), so the probability of any false finding in a family and
condition is at most `ALPHA`. Holm's correction then covers the conditions. Differences are fractions.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ablation.plan.contrasts import Contrast
from ablation.stats.block_design import NO_SD, Fit, Model, model
from ablation.stats.dunnett import noncentrality
from ablation.stats.equivalence import equivalence_p
from ablation.stats.max_t import AnyDf, max_t
from ablation.stats.multiplicity import holm
from ablation.stats.saturation import SATURATED
from ablation.stats.scoring import pool
from ablation.stats.separate_spreads import careful
from ablation.stats.significance import ALPHA, POWER, effect_size, verdict_of
from ablation.stats.spreads import doubt_of
from ablation.stats.verdict import NotTested, Verdict

KEYS = ["family", "contrast"]
NUMBERS = ["difference", "diff_low", "diff_high", "p", "p_adjusted", "p_equivalent", "detectable"]
COLUMNS = [
    *KEYS, "kind", "condition", *NUMBERS, "effect", "effect_low", "effect_high", "trials", "verdict", "why_not_tested", "caution",
]  # fmt: skip


def compare_contrasts(
    counts: pd.DataFrame,
    contrasts: Sequence[Contrast],
    *,
    paired: bool = True,
    margin_points: float | None = None,
    metric: str = "wer",
    seed: int = 0,
) -> pd.DataFrame:
    """Return one row per contrast and condition, with the columns `COLUMNS`; NaN where there is no number.

    `counts` is the table of `significance.compare`, and columns mean the same: `difference` is the estimate of the contrast,
    `diff_low` to `diff_high` its 95 % confidence interval, simultaneous within the family and condition; `p` is adjusted within
    the family, `p_adjusted` over the conditions as well; a positive difference means more errors. `trials` are those of the
    contrast's arms. A contrast is tested if each of its arms has two trials and the seeds connect them. `seed` decides the
    quasi-random points of the integral.
    """
    trials = pool(counts, ["arm", "seed", "condition"], metric).rename(columns={metric: "wer"})
    names = list(dict.fromkeys(trials["condition"]))
    margin = None if margin_points is None else margin_points / 100
    rows = [
        row
        for name in names
        for row in _condition(trials[trials["condition"] == name], contrasts, len(names), paired, margin, seed)
    ]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    for column, source in (("p_adjusted", "p"), ("p_equivalent", "p_equivalent")):
        table[column] = table.groupby(KEYS, sort=False)[source].transform(lambda p: holm(p.tolist()))
    table["verdict"] = [
        Verdict.NOT_TESTED if row["why_not_tested"] else verdict_of(row) for row in table.to_dict("records")
    ]
    place = {(each.family, each.name): number for number, each in enumerate(contrasts)}
    order = [place[key] for key in zip(table["family"], table["contrast"], strict=True)]
    return table.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)


def _condition(
    trials: pd.DataFrame,
    contrasts: Sequence[Contrast],
    conditions: int,
    paired: bool,
    margin: float | None,
    seed: int,
) -> list[dict[str, Any]]:
    """Estimates and tests within one condition, family by family."""
    found = model(trials, paired=paired)
    rates = trials.groupby("arm", sort=False)["wer"].agg(["mean", "size"])
    rows = []
    for family in dict.fromkeys(each.family for each in contrasts):
        mine = [each for each in contrasts if each.family == family]
        reasons = {each.name: _untested(each, found, rates) for each in mine}
        tested = [each for each in mine if reasons[each.name] is None]
        tests = _tests(found, tested, conditions, margin, seed)
        for each in mine:
            row: dict[str, Any] = {"family": family, "contrast": each.name, "kind": each.kind, "caution": ""}
            row |= {"condition": trials["condition"].iloc[0], **_estimate(each, found), **tests.get(each.name, {})}
            row |= {"trials": int(rates["size"].reindex(list(each.weights)).fillna(0).sum())}
            if "diff_low" in row and (doubt := doubt_of(found, each.weights)):
                row |= careful(row, doubt, _coefficients(found, each), _joint(found, tested, seed), conditions, margin)
            reason = reasons[each.name] or (NotTested.NO_SPREAD if math.isnan(row.get("p", math.nan)) else None)
            rows.append(row | {"why_not_tested": reason or ""})
    return rows


def _weights(found: Model, contrasts: Sequence[Contrast]) -> np.ndarray:
    """Return weights by arm of the model: (contrasts, arms)."""
    return np.array([[each.weights.get(arm, 0.0) for arm in found.arms] for each in contrasts])


def _coefficients(found: Model, contrast: Contrast) -> np.ndarray:
    """Return the weights of the trials in the estimate of a contrast: (trials,)."""
    return found.coefficients(_weights(found, [contrast]))[0]


def _joint(found: Model, tested: Sequence[Contrast], seed: int) -> AnyDf:
    """Return the joint distribution of the contrasts of a family."""
    return AnyDf(found.contrasts([each.name for each in tested], _weights(found, tested)).correlation, seed)


def _untested(contrast: Contrast, found: Model, rates: pd.DataFrame) -> NotTested | None:
    """Return why a contrast has no test; None if it can have one."""
    if not {*contrast.weights} <= {*found.arms}:
        return NotTested.NO_TRIAL
    mine = rates.loc[list(contrast.weights)]
    if (mine["mean"] >= SATURATED).all():
        return NotTested.SATURATED
    if (mine["size"] < 2).any():
        return NotTested.ONE_SEED
    return None if found.estimable(_weights(found, [contrast])).all() else NotTested.NO_COMMON_SEED


def _estimate(contrast: Contrast, found: Model) -> dict[str, float]:
    """Return the estimate where the trials allow one, with or without a test."""
    if not {*contrast.weights} <= {*found.arms}:
        return {}
    weights = _weights(found, [contrast])
    return {"difference": float((weights @ found.effects)[0])} if found.estimable(weights).all() else {}


def _tests(
    found: Model, tested: Sequence[Contrast], conditions: int, margin: float | None, seed: int
) -> dict[str, dict[str, float]]:
    """Return contrast -> its tests. Without any variation there is no test and no p, except 1 for no difference at all."""
    if not tested:
        return {}
    names = [each.name for each in tested]
    fitted = found.contrasts(names, _weights(found, tested))
    if not fitted.sd:
        return {name: {"p": 1.0} for name, value in zip(names, fitted.differences, strict=True) if abs(value) < NO_SD}
    joint = max_t(fitted.correlation, fitted.df, seed)
    same = equivalence_p(fitted, margin) if margin is not None else [math.nan] * len(names)
    critical_value, hardest = joint.critical(ALPHA), joint.critical(ALPHA / conditions)
    needed = noncentrality(hardest, fitted.df, POWER)
    return {
        name: _row(fitted, place, critical_value, needed)
        | {"p": joint.tail(_t(fitted, place)), "p_equivalent": same[place]}
        for place, name in enumerate(names)
    }


def _t(fitted: Fit, place: int) -> float:
    return float(fitted.differences[place] / (fitted.scale[place] * fitted.sd))


def _row(fitted: Fit, place: int, critical_value: float, needed: float) -> dict[str, float]:
    difference, scale = float(fitted.differences[place]), float(fitted.scale[place])
    margin_of_error = critical_value * scale * fitted.sd
    return {
        "diff_low": difference - margin_of_error,
        "diff_high": difference + margin_of_error,
        "detectable": needed * scale * fitted.sd,
        **effect_size(difference, scale, fitted),
    }
