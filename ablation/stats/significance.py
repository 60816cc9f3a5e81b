"""Is a difference between an arm and the baseline more than what another seed would have changed?

The unit is the seed: a trial gives one WER per condition, pooled over its utterances, and that is one observation. A
difference is arm minus baseline within seeds, and the spread that it is gauged against is pooled over all arms
(`ablation.stats.block_design`). Within a condition every arm is compared with the baseline by Dunnett's distribution, so that the
chance of any false finding is at most `ALPHA`; Holm's correction then does the same for the conditions of an arm. WERs
and differences are fractions; a difference is arm minus baseline, so a positive one means that the arm is worse: the
part that it ablates earns its place. `docs/statistics.md` has formulas, sources and how well they are calibrated.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import gammaln

from ablation.stats.block_design import NO_SPREAD, Fit, fit, loadings
from ablation.stats.dunnett import critical, noncentral_interval, noncentrality, tail
from ablation.stats.equivalence import equivalence_p
from ablation.stats.multiplicity import holm
from ablation.stats.scoring import METRICS, pool
from ablation.stats.spreads import Own, doubts, own

ALPHA, POWER, LEVEL = 0.05, 0.8, 0.95
EARNS, HARMFUL, EQUIVALENT = "earns its place", "harmful", "equivalent"
NO_DIFFERENCE, NOT_JUDGED = "no difference shown", "not judged"
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
    "caution",
]


def compare(
    counts: pd.DataFrame,
    baseline: str = "baseline",
    *,
    paired: bool = True,
    margin_points: float | None = None,
    metric: str = "wer",
) -> pd.DataFrame:
    """One row per arm and condition, the baseline's first.

    `counts` has the columns arm, seed, condition and those of `scoring.COUNTS`; what it lacks is not filled in. `paired`
    says that trials of one seed share their random numbers, as all of one study do. `margin_points` is the difference,
    in points, below which arms count as the same; None tests no equivalence. `metric` is `wer` or `cer`, which then
    stands under the names with wer. Columns of the result, NaN where there is no such number:

    - `wer`: mean over `seeds` seeds; `wer_low` to `wer_high` its 95 % interval for another draw of seeds
    - `difference`: to the baseline, over the `pairs` seeds that both were trained with (exactly: `ablation.stats.block_design`);
      `diff_low` to `diff_high` holds for all arms of the condition at once with 95 %
    - `relative`: the difference over the baseline's WER
    - `p`: by Dunnett; `p_adjusted`: by Holm over the arm's conditions
    - `p_equivalent`: small where the difference is shown to be inside the margin, by Holm over arms and over conditions
    - `detectable`: the difference that this design finds with a chance of 80 %, whatever the other conditions say,
      with the spread that was seen
    - `effect`: the difference in standard deviations of a trial around arm and seed (Hedges' correction for few
      seeds), with its 95 % interval `effect_low` to `effect_high`
    - `verdict`: in words, from `p_adjusted`, else from `p_equivalent`; the baseline's is empty
    - `caution`: why an arm is judged by its own spread as well (`ablation.stats.spreads`), empty where it is not; of the two, the
      larger p, the longer interval and the larger `detectable` stand here

    Raises ValueError when trials were not scored on the same reference words.
    """
    trials = pool(counts, ["arm", "seed", "condition"], metric).rename(columns={metric: "wer"})
    _check_same_words(trials, METRICS[metric][3])
    names = list(dict.fromkeys(trials["condition"]))
    margin = None if margin_points is None else margin_points / 100
    tables = [_condition(trials[trials["condition"] == name], baseline, len(names), paired, margin) for name in names]
    table = pd.concat(tables, ignore_index=True)
    order = {arm: place for place, arm in enumerate(dict.fromkeys([baseline, *trials["arm"]]))}
    table = table.sort_values("arm", key=lambda arms: arms.map(order), kind="stable", ignore_index=True)
    table["p_adjusted"] = table.groupby("arm", sort=False)["p"].transform(lambda p: holm(p.tolist()))
    table["p_equivalent"] = table.groupby("arm", sort=False)["p_equivalent"].transform(lambda p: holm(p.tolist()))
    seeds = table.loc[table["arm"] == baseline, "seeds"].max()
    table["verdict"] = [
        "" if row["arm"] == baseline else _verdict(row, seeds, paired, margin_points)
        for row in table.to_dict("records")
    ]
    return table[COLUMNS]


def _check_same_words(trials: pd.DataFrame, reference: str) -> None:
    """WERs on different texts cannot be compared, and would be if a trial's table were cut short."""
    for condition, words in trials.groupby("condition", sort=False)[reference]:
        if words.nunique() > 1:
            raise ValueError(
                f"all trials must be scored on the same utterances, but in {condition!r} their {reference} "
                f"number {sorted(set(words.tolist()))}; score the trials again"
            )


def _condition(
    trials: pd.DataFrame, baseline: str, conditions: int, paired: bool, margin: float | None
) -> pd.DataFrame:
    """Estimates and tests within one condition."""
    seeds = {arm: set(group["seed"]) for arm, group in trials.groupby("arm", sort=False)}
    mine = seeds.get(baseline, set())
    pairs = {arm: len(its & mine) if paired else min(len(its), len(mine)) for arm, its in seeds.items()}
    judged = [arm for arm in seeds if arm != baseline and pairs[arm] > 1]
    found = fit(trials, baseline, judged, paired=paired)
    means = trials.groupby("arm", sort=False)["wer"].mean()
    tested = _tests(found, conditions, margin) if judged else {}
    doubted = doubts(trials, baseline, judged, paired=paired)
    for arm in doubted:
        alone = own(trials, arm, baseline, paired=paired)
        tested[arm] = _careful(tested[arm], alone, len(judged), conditions, margin)
    rows = []
    for arm in seeds:
        row = {"arm": arm, "condition": trials["condition"].iloc[0], "seeds": len(seeds[arm]), "pairs": pairs[arm]}
        row |= {"caution": doubted.get(arm, "")}
        row |= {"wer": means[arm], "difference": means[arm] - means.get(baseline, math.nan)} | tested.get(arm, {})
        rows.append(row | _interval(means[arm], len(seeds[arm]), trials, found))
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    table.loc[table["arm"] == baseline, ["difference", "pairs"]] = math.nan
    return table.assign(relative=table["difference"] / means.get(baseline, math.nan))


def _tests(found: Fit, conditions: int, margin: float | None) -> dict[str, dict[str, float]]:
    """Per arm its tests. Without any spread chance cannot be gauged: no p, except 1 for no difference at all."""
    if not found.spread:
        return {
            arm: {"difference": difference, **({"p": 1.0} if abs(difference) < NO_SPREAD else {})}
            for arm, difference in zip(found.arms, found.differences, strict=True)
        }
    shared = loadings(found.correlation)
    reach = critical(ALPHA, shared, found.freedom)
    needed = noncentrality(critical(ALPHA / conditions, shared, found.freedom), found.freedom, POWER)
    same = equivalence_p(found, margin) if margin is not None else [math.nan] * len(found.arms)
    rows = {}
    for place, arm in enumerate(found.arms):
        difference, error = float(found.differences[place]), float(found.scale[place]) * found.spread
        rows[arm] = {
            "difference": difference,
            "diff_low": difference - reach * error,
            "diff_high": difference + reach * error,
            "p": tail(difference / error, shared, found.freedom),
            "p_equivalent": same[place],
            "detectable": needed * error,
            **_effect(difference, float(found.scale[place]), found),
        }
    return rows


def _careful(tests: dict[str, float], alone: Own, arms: int, conditions: int, margin: float | None) -> dict[str, float]:
    """The more careful of an arm's tests and those by its own spread, which are corrected for `arms` by Bonferroni."""
    if not alone.error:
        return tests
    t, reach = alone.difference / alone.error, float(stats.t.isf(ALPHA / arms / 2, alone.freedom)) * alone.error
    hardest = float(stats.t.isf(ALPHA / arms / conditions / 2, alone.freedom))
    careful = {
        "diff_low": min(tests["diff_low"], alone.difference - reach),
        "diff_high": max(tests["diff_high"], alone.difference + reach),
        "p": max(tests["p"], min(1.0, arms * 2 * float(stats.t.sf(abs(t), alone.freedom)))),
        "detectable": max(tests["detectable"], noncentrality(hardest, alone.freedom, POWER) * alone.error),
    }
    if margin is not None:
        outside = float(stats.t.sf((margin - abs(alone.difference)) / alone.error, alone.freedom))
        careful["p_equivalent"] = max(tests["p_equivalent"], min(1.0, arms * outside))
    return tests | careful


def _effect(difference: float, scale: float, found: Fit) -> dict[str, float]:
    """The standardised difference. One degree of freedom leaves the correction nothing to go by."""
    if found.freedom < 2:
        return {}
    half = found.freedom / 2
    shrink = math.exp(gammaln(half) - gammaln(half - 0.5)) / math.sqrt(half)
    low, high = noncentral_interval(difference / (scale * found.spread), found.freedom, LEVEL)
    return {
        "effect": shrink * difference / found.spread,
        "effect_low": low * scale,
        "effect_high": high * scale,
    }


def _interval(wer: float, seeds: int, trials: pd.DataFrame, found: Fit) -> dict[str, float]:
    """The interval of one arm's WER, from the spread between seeds within arms, pooled over arms."""
    spread, freedom = pooled_spread(trials, found)
    if seeds < 2 or not spread:
        return {}
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * spread / math.sqrt(seeds)
    return {"wer_low": max(0.0, wer - reach), "wer_high": wer + reach}


def pooled_spread(trials: pd.DataFrame, found: Fit) -> tuple[float, float]:
    """Standard deviation between seeds within arms, pooled over arms, and its degrees of freedom; zeros for no spread.

    Seeds that move all arms alike carry less information than that number of trials: the degrees of freedom are
    Satterthwaite's for the correlation that the blocks show. `found` is the fit of these `trials`.
    """
    grouped = trials.groupby("arm", sort=False)["wer"]
    trials_freedom = int((grouped.size() - 1).sum())
    if not trials_freedom:
        return 0.0, 0.0
    within = float(((trials["wer"] - grouped.transform("mean")) ** 2).sum()) / trials_freedom
    if within <= NO_SPREAD**2:
        return 0.0, 0.0
    arms = int((grouped.size() > 1).sum())
    alike = float(np.clip(1 - found.spread**2 / within, 0, 1)) if found.freedom else 1.0
    share = arms / ((1 + (arms - 1) * alike) ** 2 + (arms - 1) * (1 - alike) ** 2)
    return math.sqrt(within), trials_freedom * share


def _verdict(row: Mapping[str, Any], baseline_seeds: float, paired: bool, margin_points: float | None) -> str:
    if reason := _why_not(row, baseline_seeds, paired):
        return f"{NOT_JUDGED} ({reason})"
    if row["p_adjusted"] <= ALPHA:
        return EARNS if row["difference"] > 0 else HARMFUL
    if row["p_equivalent"] <= ALPHA:
        return f"{EQUIVALENT} (within {margin_points:g} points)"
    seen = f" (would have seen >= {100 * row['detectable']:.1f} points)" if row["detectable"] > 0 else ""
    return f"{NO_DIFFERENCE}{seen}"


def _why_not(row: Mapping[str, Any], baseline_seeds: float, paired: bool) -> str:
    """Why there is no test in this row; empty where there is one."""
    if math.isnan(baseline_seeds):
        return "no trial of the baseline finished"
    if row["seeds"] < 2:
        return "one seed"
    if baseline_seeds < 2:
        return "one seed of the baseline"
    if paired and row["pairs"] < 2:
        return f"{['no seed', 'one seed'][int(row['pairs'])]} in common with the baseline"
    return "the seeds show no spread, so chance cannot be gauged" if math.isnan(row["p"]) else ""
