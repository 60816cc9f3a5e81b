"""What changed between two studies: every arm that both have, the later against the earlier, over seeds.

Dunnett's test has one baseline for all arms; here each arm has its own, itself. So each is a t test of its own, with the
spread pooled over all arms as within a study. What the seeds do to all arms alike makes the arms' differences go up and
down together, so that k arms are less than k times the evidence on that spread: its degrees of freedom are Satterthwaite's
(`significance.pooled_spread`). Holm's correction then counts all arms and conditions. WERs are fractions.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd
from scipy import stats

from ablation.stats.block_design import fit
from ablation.stats.multiplicity import holm
from ablation.stats.scoring import COUNTS, pool
from ablation.stats.significance import ALPHA, LEVEL, pooled_spread

BETTER, WORSE, NO_CHANGE, SAME, NOT_JUDGED = "better", "worse", "no difference shown", "the same trials", "not judged"
PAIRED, APART = "paired", "apart"
COLUMNS = [
    *["arm", "condition", "before", "wer", "difference", "diff_low", "diff_high", "p", "p_adjusted"],
    *["paired", "seeds_before", "seeds", "change"],
]


def compare_studies(earlier: pd.DataFrame, later: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """One row per arm and condition that both tables of counts have; `arms` gives the order. NaN where there is no number.

    Arms with two or more seeds in both studies are compared within these seeds alone, others as independent draws
    (`paired` says which). `before` and `wer` are the means over the seeds that are compared, `difference` is later minus
    earlier with its own 95 % interval. `change` says what is significant after correction, or that both studies hold the
    same trials, which are no evidence; those do not count for the spread.
    """
    sides = [pool(counts, ["arm", "seed", "condition"]) for counts in (earlier, later)]
    known = [arm for arm in arms if all((side["arm"] == arm).any() for side in sides)]
    kinds = {arm: _kind(*(side[side["arm"] == arm] for side in sides)) for arm in known}
    rows = [
        row
        for name in sides[1]["condition"].unique()
        for kind in dict.fromkeys(kinds.values())
        for row in _rows(
            kind, *(side[(side["arm"].map(kinds) == kind) & (side["condition"] == name)] for side in sides)
        )
    ]
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    order = {arm: place for place, arm in enumerate(known)}
    table = table.sort_values("arm", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    table["p_adjusted"] = holm(table["p"].tolist())
    table["change"] = [_change(row, kinds[row["arm"]]) for row in table.to_dict("records")]
    return table


def _kind(earlier: pd.DataFrame, later: pd.DataFrame) -> str:
    """How an arm's trials in two studies go together. Trials that make the same errors everywhere are the same ones."""
    shared = set(earlier["seed"]) & set(later["seed"])
    errors = [
        side[side["seed"].isin(shared)].set_index(["seed", "condition"])[COUNTS].sort_index()
        for side in (earlier, later)
    ]
    if shared and errors[0].equals(errors[1]):
        return SAME
    return PAIRED if len(shared) > 1 else APART


def _rows(kind: str, earlier: pd.DataFrame, later: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Estimates and tests in one condition, of arms whose trials go together in one way."""
    if kind != APART:
        both = earlier.merge(later, on=["arm", "seed", "condition"], suffixes=("_before", ""))
        earlier, later = both.assign(wer=both["wer_before"]), both
        spread, freedom = _spread(both.assign(wer=both["wer"] - both["wer_before"]))
    else:
        (spread, freedom), (spread_before, freedom_before) = _spread(later), _spread(earlier)
    for arm, mine in later.groupby("arm", sort=False):
        before = earlier[earlier["arm"] == arm]
        row = {"arm": arm, "condition": mine["condition"].iloc[0], "paired": kind != APART}
        row |= {
            "seeds_before": len(before),
            "seeds": len(mine),
            "before": before["wer"].mean(),
            "wer": mine["wer"].mean(),
        }
        row["difference"] = row["wer"] - row["before"]
        variances = [(spread**2 / len(mine), freedom)]
        if kind == APART:
            variances.append((spread_before**2 / len(before), freedom_before))
        yield row | (_test(row["difference"], variances) if kind != SAME and min(len(before), len(mine)) > 1 else {})


def _spread(trials: pd.DataFrame) -> tuple[float, float]:
    """Standard deviation between seeds, pooled over arms, and its degrees of freedom; zeros where there is none."""
    return pooled_spread(trials, fit(trials, trials["arm"].iloc[0], [], paired=True)) if len(trials) else (0.0, 0.0)


def _test(difference: float, variances: Sequence[tuple[float, float]]) -> dict[str, float]:
    """A t test by independent variances with their degrees of freedom, which Welch's formula joins; {} without spread."""
    variance = sum(each for each, _ in variances)
    if not all(each and freedom for each, freedom in variances):
        return {}
    freedom = variance**2 / sum(each**2 / its for each, its in variances)
    error = math.sqrt(variance)
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * error
    p = 2 * float(stats.t.sf(abs(difference) / error, freedom))
    return {"diff_low": difference - reach, "diff_high": difference + reach, "p": p}


def _change(row: dict[str, Any], kind: str) -> str:
    if kind == SAME:
        return SAME
    if math.isnan(row["p_adjusted"]):
        return NOT_JUDGED
    if row["p_adjusted"] > ALPHA:
        return NO_CHANGE
    return WORSE if row["difference"] > 0 else BETTER
