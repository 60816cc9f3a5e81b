"""Judgement of a study with looks: the decision on each arm at each look, and one table of the final results.

An arm that is decided stops: its row keeps the numbers of that look, whatever seeds other arms get later. Everything follows from
the error counts and the design, so that a look can be judged again at any time with the same result.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from ablation.stats.sequential import LookDesign
from ablation.stats.sequential_futility import is_futile
from ablation.stats.sequential_intervals import Error, errors
from ablation.stats.significance import ALPHA, COLUMNS, compare, verdict_of
from ablation.stats.verdict import NotTested, Verdict


class Decision(StrEnum):
    """The decision on an arm at a look. `continue` asks for the seeds of the next look.

    `futile`: a difference of the margin is unlikely. `saturated`: about all words are wrong, and nothing can be tested.
    """

    WORSE = "worse"
    BETTER = "better"
    MIXED = "mixed"
    EQUIVALENT = "equivalent"
    FUTILE = "futile"
    SATURATED = "saturated"
    CONTINUE = "continue"


FINAL = frozenset({Decision.WORSE, Decision.BETTER, Decision.MIXED, Decision.EQUIVALENT})

HOPELESS = frozenset({Decision.FUTILE, Decision.SATURATED})


@dataclass(frozen=True)
class Look:
    """A look that was carried out: its number of seeds, and the decision on every arm that was not decided before.

    At the last look, `continue` means that the arm stays undecided.
    """

    seeds: int
    decisions: Mapping[str, Decision]


@dataclass(frozen=True)
class Judged:
    """All looks so far and the final table, with the columns of `significance.compare`.

    `decided` and `futile` map the arms that need no more seeds to the number of seeds that they were judged with.
    """

    looks: Sequence[Look]
    decided: Mapping[str, int]
    futile: Mapping[str, int]
    table: pd.DataFrame


def judge_looks(
    counts: pd.DataFrame,
    plan: LookDesign,
    seeds: Sequence[int],
    baseline: str = "baseline",
    *,
    metric: str = "wer",
    cells: Collection[str] = (),
) -> Judged:
    """Judge all looks that were carried out. `seeds` are the planned ones in their order; `counts` are those of `compare`.

    A row of the table is that of the arm's last look. Its verdict, intervals of differences, `p_adjusted`, `p_equivalent` and
    `detectable` allow for the looks: the p values are scaled so that 0.05 is the level of the look. An arm that was stopped as
    futile is judged on if it has more seeds after all. So is an arm of `cells` whatever its decision: contrasts decide on its
    seeds, and no difference of it to the baseline is ever `decided`.
    """
    frozen: dict[str, int] = {}
    futile: dict[str, int] = {}
    looks, rows = list[Look](), dict[str, pd.DataFrame]()
    for place, number in enumerate(plan.looks):
        new = set(seeds[plan.looks[place - 1] if place else 0 : number])
        arrived = set(counts.loc[counts["seed"].isin(new), "arm"]) - {baseline} - {*frozen}
        if not arrived:
            continue
        table, found = judge_look(
            counts, plan, seeds, place, judged=arrived, frozen=frozen, baseline=baseline, metric=metric
        )
        looks.append(Look(number, found))
        rows |= {str(arm): mine for arm, mine in table.groupby("arm", sort=False) if arm in arrived or arm == baseline}
        frozen |= {arm: number for arm, decision in found.items() if decision in FINAL and arm not in cells}
        futile = {arm: its for arm, its in futile.items() if arm not in found}
        futile |= {arm: number for arm, decision in found.items() if decision in HOPELESS}
    order = [name for name in dict.fromkeys([baseline, *counts["arm"]]) if name in rows]
    table = pd.concat([rows[name] for name in order], ignore_index=True) if order else pd.DataFrame(columns=COLUMNS)
    return Judged(looks, frozen, futile, table)


def judge_look(
    counts: pd.DataFrame,
    plan: LookDesign,
    seeds: Sequence[int],
    place: int,
    *,
    judged: set[str],
    frozen: Mapping[str, int],
    baseline: str = "baseline",
    metric: str = "wer",
) -> tuple[pd.DataFrame, dict[str, Decision]]:
    """Return the table of look number `place` (from 0), and the decisions on the arms in `judged`.

    `frozen` maps arms that were decided earlier to their number of seeds. They still count as arms, and for the pooled variance.
    """
    numbers = counts["seed"].map({seed: number for number, seed in enumerate(seeds, 1)}).to_numpy(float)
    most = counts["arm"].map(frozen).fillna(plan.looks[place]).to_numpy(float)
    here = counts[numbers <= most]  # seeds that are not planned have no number, and do not count
    table = compare(here, baseline, margin_points=plan.margin_points, metric=metric)
    level, same = plan.levels[place], plan.equivalence_levels[place]
    known = errors(here, table, baseline, level, plan.conditions, metric)
    table = _adjusted(table, level, same, known, baseline)
    found = {}
    for arm, mine in table[table["arm"].isin(judged)].groupby("arm", sort=False):
        its = [known.get((arm, name)) for name in mine["condition"]]
        found[str(arm)] = decision_of(mine, its, plan.margin_points, last=place + 1 == len(plan.looks))
    return table, found


def _adjusted(
    table: pd.DataFrame, level: float, same: float, known: Mapping[tuple[str, str], Error], baseline: str
) -> pd.DataFrame:
    """Return the table of `compare` with p values, intervals and verdicts that allow for the looks."""
    table = table.copy()
    for column, allowed in (("p_adjusted", level), ("p_equivalent", same)):
        table[column] = scaled(table[column], allowed)
    for row, (arm, condition) in zip(table.index, table[["arm", "condition"]].to_numpy(), strict=True):
        if (error := known.get((arm, condition))) is not None and not np.isnan(table.loc[row, "diff_low"]):
            columns = ["diff_low", "diff_high", "detectable"]
            table.loc[row, columns] = [error.low, error.high, error.detectable]
    tested = (table["arm"] != baseline) & (table["why_not_tested"] == "")
    table.loc[tested, "verdict"] = [verdict_of(row) for row in table[tested].to_dict("records")]
    return table


def scaled(p: pd.Series, level: float) -> pd.Series:
    """Return p values for which 5 % is the level of a look; 1 at a level of 0, where nothing is decided. NaN stays NaN."""
    return (p * (ALPHA / level)).clip(upper=1.0) if level else p.where(p.isna(), 1.0)


def decision_of(
    rows: pd.DataFrame, known: Sequence[Error | None], margin_points: float | None, *, last: bool
) -> Decision:
    """Return the decision on an arm or a contrast by its rows of one look and their errors, one for each condition.

    At the last look, nothing is futile.
    """
    verdicts = set(rows["verdict"])
    if verdicts >= {Verdict.WORSE, Verdict.BETTER}:
        return Decision.MIXED
    for significant in (Verdict.WORSE, Verdict.BETTER):
        if significant in verdicts:
            return Decision(significant.value)
    if verdicts == {Verdict.EQUIVALENT}:
        return Decision.EQUIVALENT
    if set(rows["why_not_tested"]) == {NotTested.SATURATED}:
        return Decision.SATURATED
    if not last and is_futile([error for error in known if error is not None], margin_points):
        return Decision.FUTILE
    return Decision.CONTINUE
