"""Test of the difference between an arm and the baseline, against the variation between seeds.

The unit is the seed: a trial gives one WER per condition, pooled over its utterances, and that is one observation. A difference is
arm minus baseline within seeds. Its standard error comes from a variance that is pooled over all arms
(`ablation.stats.block_design`). Within a condition every arm is compared with the baseline by Dunnett's distribution, so the
probability of any false finding is at most `ALPHA`. Holm's correction then covers the conditions of an arm. WERs and differences
are fractions. A positive difference means that the arm is worse. `docs/statistics.md` has formulas, sources and the calibration.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import gammaln

from ablation.stats import tails
from ablation.stats.block_design import NO_SD, Fit, differences, loadings, model
from ablation.stats.dunnett import ManyToOne, critical, noncentral_interval, noncentrality, tail
from ablation.stats.equivalence import equivalence_p
from ablation.stats.levels import ALPHA as ALPHA
from ablation.stats.levels import LEVEL as LEVEL
from ablation.stats.levels import POWER as POWER
from ablation.stats.metrics import Metric, metric_of
from ablation.stats.multiplicity import holm
from ablation.stats.saturation import saturated, without_tests
from ablation.stats.scoring import pool
from ablation.stats.separate_spreads import careful
from ablation.stats.spreads import doubts
from ablation.stats.verdict import NotTested, Verdict

VALUES = ["wer", "wer_low", "wer_high", "difference", "diff_low", "diff_high", "detectable"]
RATES = ["arm", "condition", "wer", "wer_low", "wer_high", "difference", "diff_low", "diff_high"]
COLUMNS = [
    *RATES,
    "relative",
    "p",
    "p_adjusted",
    "p_equivalent",
    "detectable",
    "effect",
    "effect_low",
    "effect_high",
    "seeds",
    "pairs",
    "verdict",
    "why_not_tested",
    "caution",
]


def compare(
    counts: pd.DataFrame,
    baseline: str = "baseline",
    *,
    paired: bool = True,
    margin_points: float | None = None,
    metric: str | Metric = "wer",
    wary: bool = False,
) -> pd.DataFrame:
    """Return one row per arm and condition, the baseline's first.

    `counts` has the columns arm, seed, condition and those of the metric; missing trials are not filled in. `paired` says that
    trials of one seed share their random numbers, as all trials of one study do. `margin_points` is the difference, in points,
    below which arms count as equivalent; None tests no equivalence. The rate of `metric` is in the columns named after the WER. A
    metric that is no error rate has its own unit instead of fractions and points, and may be better if it is higher. `wary`
    distrusts the pooled variance on weak evidence with any number of seeds, which costs power (`ablation.stats.spreads`).
    Columns of the result, NaN where there is no such number:

    - `wer`: mean over `seeds` seeds; `wer_low` to `wer_high` is its 95 % confidence interval over seeds
    - `difference`: arm minus baseline, over the `pairs` seeds of both (exactly: `ablation.stats.block_design`); `diff_low` to
      `diff_high` is its 95 % confidence interval, simultaneous for all arms of the condition
    - `relative`: the difference over the baseline's WER
    - `p`: by Dunnett; `p_adjusted`: by Holm over the arm's conditions
    - `p_equivalent`: of the equivalence test, by Holm over arms and over conditions; a small p shows equivalence
    - `detectable`: the difference that this design detects with a power of 80 %, whatever the other conditions show,
      with the standard deviation that was measured
    - `effect`: the difference in standard deviations of a trial around arm and seed (Hedges' correction for few
      seeds), with its 95 % confidence interval `effect_low` to `effect_high`
    - `verdict`: a `Verdict`, from `p_adjusted`, then from `p_equivalent`; empty for the baseline
    - `why_not_tested`: a `NotTested` where the verdict is `not_tested`, else empty
    - `caution`: a `Caution` where the arm is tested with its own variance as well (`ablation.stats.spreads`), else empty; the row
      then has the larger p, the wider interval and the larger `detectable` of the two tests. `spreads_unsure`: only the pooled
      variance finds this difference, and few seeds cannot show if it is right

    Where the arm and the baseline both have about 100 % errors, nothing is tested (`ablation.stats.saturation`). Raises ValueError
    when trials were not scored on the same references.
    """
    chosen = metric_of(metric)
    trials = pool(counts, ["arm", "seed", "condition"], chosen).rename(columns={chosen.column: "wer"})
    _check_same_references(trials, chosen.length)
    names, size = list(dict.fromkeys(trials["condition"])), 1.0 if chosen.is_rate else size_of(trials["wer"])
    trials = trials.assign(wer=trials["wer"] / size)
    margin = None if margin_points is None else margin_points / chosen.scale / size
    tables = [
        _condition(trials[trials["condition"] == name], baseline, len(names), paired, margin, wary) for name in names
    ]
    table = pd.concat(tables, ignore_index=True)
    table[VALUES] *= size
    if chosen.is_rate:
        table["wer_low"] = table["wer_low"].clip(lower=0)
        table = without_tests(table, baseline)
    order = {arm: place for place, arm in enumerate(dict.fromkeys([baseline, *trials["arm"]]))}
    table = table.sort_values("arm", key=lambda arms: arms.map(order), kind="stable", ignore_index=True)
    table["p_adjusted"] = table.groupby("arm", sort=False)["p"].transform(lambda p: holm(p.tolist()))
    table["p_equivalent"] = table.groupby("arm", sort=False)["p_equivalent"].transform(lambda p: holm(p.tolist()))
    baseline_seeds = table.loc[table["arm"] == baseline, "seeds"].max()
    reasons = [
        None if row["arm"] == baseline else _why_not_tested(row, baseline_seeds, paired, full)
        for row, full in zip(table.to_dict("records"), chosen.is_rate & saturated(table, baseline), strict=True)
    ]
    table["why_not_tested"] = [reason or "" for reason in reasons]
    table["verdict"] = [
        "" if row["arm"] == baseline else Verdict.NOT_TESTED if reason else verdict_of(row, chosen.higher_is_better)
        for row, reason in zip(table.to_dict("records"), reasons, strict=True)
    ]
    return table[COLUMNS]


def size_of(values: pd.Series) -> float:
    """Return the power of two above all values. Tests of values divided by it have the same rounding errors in any unit."""
    return math.ldexp(1.0, math.frexp(float(values.abs().max()))[1])


def _check_same_references(trials: pd.DataFrame, length: str) -> None:
    """Refuse to compare error rates on different texts, as they would be if the table of one trial were incomplete."""
    for condition, lengths in trials.groupby("condition", sort=False)[length]:
        if lengths.nunique() > 1:
            raise ValueError(
                f"all trials must be scored on the same utterances, but in {condition!r} their {length} "
                f"number {sorted(set(lengths.tolist()))}; score the trials again"
            )


def _condition(
    trials: pd.DataFrame, baseline: str, conditions: int, paired: bool, margin: float | None, wary: bool
) -> pd.DataFrame:
    """Estimates and tests within one condition."""
    seeds = {arm: set(group["seed"]) for arm, group in trials.groupby("arm", sort=False)}
    mine = seeds.get(baseline, set())
    pairs = {arm: len(its & mine) if paired else min(len(its), len(mine)) for arm, its in seeds.items()}
    judged = [arm for arm in seeds if arm != baseline and pairs[arm] > 1]
    fitted = model(trials, [baseline, *judged], paired=paired)
    found = differences(fitted, baseline, judged)
    means = trials.groupby("arm", sort=False)["wer"].mean()
    tested = _tests(found, conditions, margin) if judged else {}
    if tested and found.sd:
        joint, coefficients = (
            ManyToOne(loadings(found.correlation)),
            fitted.coefficients(fitted.against(baseline, judged)),
        )
        for arm, doubt in doubts(fitted, baseline, judged, wary=wary).items():
            tested[arm] = careful(tested[arm], doubt, coefficients[judged.index(arm)], joint, conditions, margin)
    spread, rows = pooled_sd(trials, found), []
    for arm in seeds:
        row = {"arm": arm, "condition": trials["condition"].iloc[0], "seeds": len(seeds[arm]), "pairs": pairs[arm]}
        row |= {
            "caution": "",
            "wer": means[arm],
            "difference": means[arm] - means.get(baseline, math.nan),
        } | tested.get(arm, {})
        rows.append(row | _interval(means[arm], len(seeds[arm]), *spread))
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    table.loc[table["arm"] == baseline, ["difference", "pairs"]] = math.nan
    return table.assign(relative=table["difference"] / means.get(baseline, math.nan))


def _tests(found: Fit, conditions: int, margin: float | None) -> dict[str, dict[str, float]]:
    """Arm -> its tests. Without any variation there is no test and no p, except 1 for no difference at all."""
    if not found.sd:
        return {
            arm: {"difference": difference, **({"p": 1.0} if abs(difference) < NO_SD else {})}
            for arm, difference in zip(found.arms, found.differences, strict=True)
        }
    shared = loadings(found.correlation)
    critical_value = critical(ALPHA, shared, found.df)
    needed = noncentrality(critical(ALPHA / conditions, shared, found.df), found.df, POWER)
    same = equivalence_p(found, margin) if margin is not None else [math.nan] * len(found.arms)
    rows = {}
    for place, arm in enumerate(found.arms):
        difference, error = float(found.differences[place]), float(found.scale[place]) * found.sd
        rows[arm] = {
            "difference": difference,
            "diff_low": difference - critical_value * error,
            "diff_high": difference + critical_value * error,
            "p": tail(difference / error, shared, found.df),
            "p_equivalent": same[place],
            "detectable": needed * error,
            **effect_size(difference, float(found.scale[place]), found),
        }
    return rows


def effect_size(difference: float, scale: float, found: Fit) -> dict[str, float]:
    """Return the standardised difference. The correction needs two degrees of freedom."""
    if found.df < 2:
        return {}
    half = found.df / 2
    shrink = math.exp(gammaln(half) - gammaln(half - 0.5)) / math.sqrt(half)
    low, high = noncentral_interval(difference / (scale * found.sd), found.df, LEVEL)
    return {
        "effect": shrink * difference / found.sd,
        "effect_low": low * scale,
        "effect_high": high * scale,
    }


def _interval(wer: float, seeds: int, sd: float, df: float) -> dict[str, float]:
    """The confidence interval of one arm's WER, from the standard deviation between seeds within arms, pooled over arms."""
    if seeds < 2 or not sd:
        return {}
    margin_of_error = float(tails.t_ppf(0.5 + LEVEL / 2, df)) * sd / math.sqrt(seeds)
    return {"wer_low": wer - margin_of_error, "wer_high": wer + margin_of_error}


def pooled_sd(trials: pd.DataFrame, found: Fit) -> tuple[float, float]:
    """Return the standard deviation between seeds within arms, pooled over arms, and its df; zeros if nothing varies.

    Seeds that move all arms alike carry less information than their number of trials: the degrees of freedom are
    Satterthwaite's for the correlation that the blocks show. `found` is the fit of these `trials`.
    """
    grouped = trials.groupby("arm", sort=False)["wer"]
    trials_df = int((grouped.size() - 1).sum())
    if not trials_df:
        return 0.0, 0.0
    within = float(((trials["wer"] - grouped.transform("mean")) ** 2).sum()) / trials_df
    if within <= NO_SD**2:
        return 0.0, 0.0
    arms = int((grouped.size() > 1).sum())
    alike = float(np.clip(1 - found.sd**2 / within, 0, 1)) if found.df else 1.0
    share = arms / ((1 + (arms - 1) * alike) ** 2 + (arms - 1) * (1 - alike) ** 2)
    return math.sqrt(within), trials_df * share


def verdict_of(row: Mapping[str, Any], higher_is_better: bool = False) -> Verdict:
    """Return the verdict on a row that has a test."""
    if row["p_adjusted"] <= ALPHA:
        return Verdict.WORSE if (row["difference"] > 0) != higher_is_better else Verdict.BETTER
    return Verdict.EQUIVALENT if row["p_equivalent"] <= ALPHA else Verdict.INCONCLUSIVE


def _why_not_tested(
    row: Mapping[str, Any], baseline_seeds: float, paired: bool, is_saturated: bool
) -> NotTested | None:
    """The reason for which a row has no test; None where it has one."""
    if math.isnan(baseline_seeds):
        return NotTested.NO_BASELINE
    if is_saturated:
        return NotTested.SATURATED
    if row["seeds"] < 2:
        return NotTested.ONE_SEED
    if baseline_seeds < 2:
        return NotTested.ONE_BASELINE_SEED
    if paired and row["pairs"] < 2:
        return NotTested.ONE_COMMON_SEED if row["pairs"] else NotTested.NO_COMMON_SEED
    return NotTested.NO_SPREAD if math.isnan(row["p"]) else None
