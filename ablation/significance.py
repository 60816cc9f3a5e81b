"""Is a difference between an arm and the baseline more than what another seed would have changed?

The unit is the seed: a trial gives one WER per condition, pooled over its utterances, and that is one observation.
The spread between seeds is estimated from all arms together. Within a condition Dunnett's test compares every arm
with the baseline so that the chance of any false finding is at most `ALPHA`; Holm's correction then does the same for
the conditions of an arm. WERs and differences are fractions; a difference is arm minus baseline, so a positive one
means that the arm is worse: the part that it ablates earns its place.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from ablation.dunnett import critical, tail
from ablation.scoring import pool

ALPHA = 0.05
EARNS, HARMFUL, NO_DIFFERENCE, NOT_JUDGED = "earns its place", "harmful", "no difference shown", "not judged"
COLUMNS = [
    "arm",
    "condition",
    "wer",
    "wer_low",
    "wer_high",
    "difference",
    "diff_low",
    "diff_high",
    "p",
    "p_adjusted",
    "detectable",
    "seeds",
    "verdict",
]


def compare(counts: pd.DataFrame, baseline: str = "baseline") -> pd.DataFrame:
    """One row per arm and condition, the baseline's first.

    `counts` has the columns arm, seed, condition and those of `scoring.COUNTS`; what it lacks is not filled in. Columns
    of the result: `wer` is the mean over `seeds` seeds, `wer_low` to `wer_high` its 95 % interval; `difference`
    with `diff_low` to `diff_high`, 95 % for all arms of the condition at once; `p` by Dunnett, `p_adjusted` by Holm
    over the conditions; `detectable` is the difference from which on this design would have called it significant
    whatever the other conditions say. NaN stands where there is no such number: intervals and p need two seeds.

    Raises ValueError when trials were not scored on the same reference words.
    """
    trials = pool(counts, ["arm", "seed", "condition"])
    _check_same_words(trials)
    names = list(dict.fromkeys(trials["condition"]))
    tables = [_condition(trials[trials["condition"] == name], baseline, len(names)) for name in names]
    table = pd.concat(tables, ignore_index=True)
    order = {arm: place for place, arm in enumerate(dict.fromkeys([baseline, *trials["arm"]]))}
    table = table.sort_values("arm", key=lambda arms: arms.map(order), kind="stable", ignore_index=True)
    table["p_adjusted"] = table.groupby("arm", sort=False)["p"].transform(lambda p: holm(p.tolist()))
    table["verdict"] = [_verdict(row, baseline, table) for row in table.to_dict("records")]
    return table[COLUMNS]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction in the given order; NaN (no test) stays NaN and does not count."""
    tested = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        adjusted[place] = largest
    return adjusted


def _check_same_words(trials: pd.DataFrame) -> None:
    """WERs on different texts cannot be compared, and would be if a trial's table were cut short."""
    for condition, words in trials.groupby("condition", sort=False)["reference_words"]:
        if words.nunique() > 1:
            raise ValueError(
                f"all trials must be scored on the same utterances, but in {condition!r} their reference words "
                f"number {sorted(set(words.tolist()))}; score the trials again"
            )


def _condition(trials: pd.DataFrame, baseline: str, conditions: int) -> pd.DataFrame:
    """Estimates and Dunnett's test within one condition."""
    observed = {arm: group["wer"].to_numpy() for arm, group in trials.groupby("arm", sort=False)}
    spread, freedom = _pooled_spread(list(observed.values()))
    repeated = {arm: len(wers) for arm, wers in observed.items() if arm != baseline and len(wers) > 1}
    control = observed.get(baseline, np.array([]))
    sizes = tuple(repeated.values())
    rows = []
    for arm, wers in observed.items():
        row = {
            "arm": arm,
            "condition": trials["condition"].iloc[0],
            "seeds": len(wers),
            **_interval(wers, spread, freedom),
        }
        if arm != baseline and len(control):
            row["difference"] = wers.mean() - control.mean()
        if arm in repeated and len(control) > 1:
            row |= _test(row["difference"], spread, sizes, len(control), len(wers), freedom, conditions)
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=COLUMNS)


def _pooled_spread(groups: list[np.ndarray]) -> tuple[float, int]:
    """Standard deviation between seeds, pooled over arms, and its degrees of freedom; (0, 0) without repetitions.

    Arms whose seeds agree to the last bit but one may differ by rounding; that is no spread.
    """
    freedom = sum(len(wers) - 1 for wers in groups)
    if not freedom:
        return 0.0, 0
    spread = math.sqrt(sum(((wers - wers.mean()) ** 2).sum() for wers in groups) / freedom)
    return (spread if spread > 1e-12 else 0.0), freedom


def _interval(wers: np.ndarray, spread: float, freedom: int) -> dict[str, float]:
    wer = float(wers.mean())
    if len(wers) < 2 or not spread:
        return {"wer": wer}
    reach = float(stats.t.ppf(1 - ALPHA / 2, freedom)) * spread / math.sqrt(len(wers))
    return {"wer": wer, "wer_low": max(0.0, wer - reach), "wer_high": wer + reach}


def _test(
    difference: float, spread: float, sizes: tuple[int, ...], control: int, seeds: int, freedom: int, conditions: int
) -> dict[str, float]:
    """Dunnett's p and interval. Without any spread chance cannot be gauged: no p, except 1 for no difference at all."""
    if not spread:
        return {"p": 1.0} if difference == 0 else {}
    error = spread * math.sqrt(1 / seeds + 1 / control)
    reach = critical(ALPHA, sizes, control, freedom) * error
    return {
        "diff_low": difference - reach,
        "diff_high": difference + reach,
        "p": tail(difference / error, sizes, control, freedom),
        "detectable": critical(ALPHA / conditions, sizes, control, freedom) * error,
    }


def _verdict(row: dict, baseline: str, table: pd.DataFrame) -> str:
    if row["arm"] == baseline:
        return ""
    if reason := _why_not(row, table.loc[table["arm"] == baseline, "seeds"].max()):
        return f"{NOT_JUDGED} ({reason})"
    if row["p_adjusted"] > ALPHA:
        seen = f" (would have seen >= {100 * row['detectable']:.1f} points)" if row["detectable"] > 0 else ""
        return f"{NO_DIFFERENCE}{seen}"
    return EARNS if row["difference"] > 0 else HARMFUL


def _why_not(row: dict, baseline_seeds: float) -> str:
    """Why there is no test in this row; empty where there is one."""
    if math.isnan(baseline_seeds):
        return "no trial of the baseline finished"
    if row["seeds"] < 2:
        return "one seed"
    if baseline_seeds < 2:
        return "one seed of the baseline"
    return "the seeds show no spread, so chance cannot be gauged" if math.isnan(row["p"]) else ""
