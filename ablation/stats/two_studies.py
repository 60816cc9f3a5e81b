"""Changes between two studies: every arm of both studies, the later study against the earlier one, over seeds.

Dunnett's test has one baseline for all arms; here each arm is compared with itself. So each comparison is a t test of its own,
with the variance pooled over all arms as within a study. Seeds move all arms alike, so that k arms carry less than k times the
information on that variance: its degrees of freedom are Satterthwaite's (`significance.pooled_sd`). Holm's correction then counts
all arms and conditions. WERs are fractions.
"""

import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import pandas as pd

from ablation.stats import tails
from ablation.stats.block_design import fit
from ablation.stats.metrics import WER, Metric
from ablation.stats.multiplicity import holm
from ablation.stats.scoring import pool
from ablation.stats.significance import ALPHA, LEVEL, pooled_sd, size_of
from ablation.stats.verdict import Verdict

VALUES = ["before", "wer", "difference", "diff_low", "diff_high"]
COLUMNS = [
    *["arm", "condition", *VALUES, "p", "p_adjusted"],
    *["paired", "seeds_before", "seeds", "verdict", "same_trials"],
]


class Relation(StrEnum):
    """The relation of an arm's trials in two studies: the same trials, trials of the same seeds, or independent ones."""

    SAME = "same"
    PAIRED = "paired"
    INDEPENDENT = "independent"


def compare_studies(
    earlier: pd.DataFrame, later: pd.DataFrame, arms: Sequence[str], metric: Metric = WER
) -> pd.DataFrame:
    """Return one row per arm and condition of both tables of counts; `arms` gives the order. NaN where there is no number.

    Arms with two or more common seeds are compared within these seeds only, others as independent draws (`paired` says which).
    `before` and `wer` are the means over the seeds that are compared, `difference` is later minus earlier with its own 95 %
    confidence interval. `verdict` is a `Verdict` on the later study. `same_trials` says that both studies hold the same trials.
    These are no evidence: they have the verdict `not_tested` and do not count for the variance.
    """
    by = ["arm", "seed", "condition"]
    sides = [pool(counts, by, metric).rename(columns={metric.column: "wer"}) for counts in (earlier, later)]
    size = 1.0 if metric.is_rate else size_of(pd.concat([side["wer"] for side in sides]))
    sides = [side.assign(wer=side["wer"] / size) for side in sides]
    known = [arm for arm in arms if all((side["arm"] == arm).any() for side in sides)]
    before, now = sides
    relations = {arm: _relation(before[before["arm"] == arm], now[now["arm"] == arm], metric) for arm in known}
    rows = [
        row
        for name in sides[1]["condition"].unique()
        for relation in dict.fromkeys(relations.values())
        for row in _rows(
            relation,
            *(side[(side["arm"].map(relations) == relation) & (side["condition"] == name)] for side in sides),
        )
    ]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    order = {arm: place for place, arm in enumerate(known)}
    table = table.sort_values("arm", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    table[VALUES] *= size
    table["p_adjusted"] = holm(table["p"].tolist())
    table["verdict"] = [_verdict(row, metric) for row in table.to_dict("records")]
    return table


def _relation(earlier: pd.DataFrame, later: pd.DataFrame, metric: Metric) -> Relation:
    """Relate an arm's trials of two studies. Trials that make the same errors in all conditions are the same trials."""
    shared = set(earlier["seed"]) & set(later["seed"])
    errors = [
        side[side["seed"].isin(shared)].set_index(["seed", "condition"])[metric.columns].sort_index()
        for side in (earlier, later)
    ]
    if shared and errors[0].equals(errors[1]):
        return Relation.SAME
    return Relation.PAIRED if len(shared) > 1 else Relation.INDEPENDENT


def _rows(relation: Relation, earlier: pd.DataFrame, later: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Estimates and tests in one condition, of arms with one relation between their trials."""
    paired, same = relation != Relation.INDEPENDENT, relation == Relation.SAME
    if paired:
        both = earlier.merge(later, on=["arm", "seed", "condition"], suffixes=("_before", ""))
        earlier, later = both.assign(wer=both["wer_before"]), both
        sd, df = _sd(both.assign(wer=both["wer"] - both["wer_before"]))
    else:
        (sd, df), (sd_before, df_before) = _sd(later), _sd(earlier)
    for arm, mine in later.groupby("arm", sort=False):
        before = earlier[earlier["arm"] == arm]
        row = {"arm": arm, "condition": mine["condition"].iloc[0], "paired": paired, "same_trials": same}
        row |= {
            "seeds_before": len(before),
            "seeds": len(mine),
            "before": before["wer"].mean(),
            "wer": mine["wer"].mean(),
        }
        row["difference"] = row["wer"] - row["before"]
        variances = [(sd**2 / len(mine), df)]
        if not paired:
            variances.append((sd_before**2 / len(before), df_before))
        yield row | (_test(row["difference"], variances) if not same and min(len(before), len(mine)) > 1 else {})


def _sd(trials: pd.DataFrame) -> tuple[float, float]:
    """Standard deviation between seeds, pooled over arms, and its degrees of freedom; zeros if nothing varies."""
    return pooled_sd(trials, fit(trials, trials["arm"].iloc[0], [], paired=True)) if len(trials) else (0.0, 0.0)


def _test(difference: float, variances: Sequence[tuple[float, float]]) -> dict[str, float]:
    """A t test by independent variances with their degrees of freedom, combined by Welch's formula; {} without variance."""
    variance = sum(each for each, _ in variances)
    if not all(each and df for each, df in variances):
        return {}
    df = variance**2 / sum(each**2 / its for each, its in variances)
    error = math.sqrt(variance)
    margin_of_error = float(tails.t_ppf(0.5 + LEVEL / 2, df)) * error
    p = 2 * float(tails.t_sf(abs(difference) / error, df))
    return {"diff_low": difference - margin_of_error, "diff_high": difference + margin_of_error, "p": p}


def _verdict(row: dict[str, Any], metric: Metric) -> Verdict:
    if math.isnan(row["p_adjusted"]):
        return Verdict.NOT_TESTED
    if row["p_adjusted"] > ALPHA:
        return Verdict.INCONCLUSIVE
    return Verdict.WORSE if (row["difference"] > 0) != metric.higher_is_better else Verdict.BETTER
