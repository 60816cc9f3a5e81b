"""Judgement of the contrasts of a study with looks: the decision on each contrast at each look, and one final table.

A contrast that is decided keeps the numbers of that look. An arm gets the seeds of the next look while a contrast that uses it is
undecided, so a decided contrast may have arms that get more seeds for others. Everything follows from the error counts and the
design, so that a look can be judged again at any time with the same result.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from ablation.plan.contrasts import Contrast
from ablation.stats.contrasts import COLUMNS, KEYS, compare_contrasts
from ablation.stats.sequential_contrast_intervals import contrast_errors, with_errors
from ablation.stats.sequential_contrasts import ContrastDesign
from ablation.stats.sequential_judge import FINAL, HOPELESS, Decision, Judged, Look, scaled
from ablation.stats.sequential_judge import decision_of as decision
from ablation.stats.significance import verdict_of


def key_of(contrast: Contrast) -> str:
    """Return the name of a contrast among all families, such as `ladder/masking`."""
    return f"{contrast.family}/{contrast.name}"


def judge_contrast_looks(
    counts: pd.DataFrame,
    plan: ContrastDesign,
    contrasts: Sequence[Contrast],
    seeds: Sequence[int],
    *,
    metric: str = "wer",
) -> Judged:
    """Judge all looks that were carried out. `seeds` are the planned ones in their order; `counts` are those of `compare`.

    The result is that of `judge_looks`, with contrasts by their `key_of` instead of arms, and the columns of `compare_contrasts`. A
    contrast is judged at a look if one of its arms has new seeds; one that was futile only if all of its arms have.
    """
    numbers = counts["seed"].map({seed: number for number, seed in enumerate(seeds, 1)})
    decided, futile = dict[str, int](), dict[str, int]()
    looks, rows = list[Look](), dict[str, pd.DataFrame]()
    for place, number in enumerate(plan.looks):
        new = {*counts.loc[numbers.between(plan.looks[place - 1] + 1 if place else 1, number), "arm"]}
        judged = [each for each in contrasts if _is_judged(each, new, decided, futile)]
        if not judged:
            continue
        table, found = judge_contrast_look(counts[numbers <= number], plan, contrasts, place, judged, metric=metric)
        looks.append(Look(number, found))
        rows |= {key_of(each): _of(table, each) for each in judged}
        decided |= {key: number for key, each in found.items() if each in FINAL}
        futile = {key: its for key, its in futile.items() if key not in found}
        futile |= {key: number for key, each in found.items() if each in HOPELESS}
    kept = [rows[key] for each in contrasts if (key := key_of(each)) in rows]
    return Judged(looks, decided, futile, pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=COLUMNS))


def _is_judged(contrast: Contrast, new: set[str], decided: Mapping[str, int], futile: Mapping[str, int]) -> bool:
    arms = {*contrast.weights}
    return key_of(contrast) not in decided and (arms <= new if key_of(contrast) in futile else bool(arms & new))


def judge_contrast_look(
    counts: pd.DataFrame,
    plan: ContrastDesign,
    contrasts: Sequence[Contrast],
    place: int,
    judged: Sequence[Contrast],
    *,
    metric: str = "wer",
) -> tuple[pd.DataFrame, dict[str, Decision]]:
    """Return the table of look number `place` (from 0), and the decisions on the contrasts in `judged`.

    `counts` are those of the seeds so far. Contrasts that were decided earlier still count in their family.
    """
    table = compare_contrasts(counts, contrasts, margin_points=plan.margin_points, metric=metric)
    levels = {family: its[place] for family, its in plan.levels.items()}
    same = {family: its[place] for family, its in plan.equivalence_levels.items()}
    known = contrast_errors(counts, contrasts, table, levels, plan.conditions, metric)
    table = _scaled(with_errors(table, known), levels, same)
    found = {}
    for each in judged:
        mine = _of(table, each)
        its = [known.get((each.family, each.name, condition)) for condition in mine["condition"]]
        found[key_of(each)] = decision(mine, its, plan.margin_points, last=place + 1 == len(plan.looks))
    return table, found


def _scaled(table: pd.DataFrame, levels: Mapping[str, float], same: Mapping[str, float]) -> pd.DataFrame:
    """Return the table with p values for which 0.05 is the level of the look, and the verdicts that follow."""
    for column, allowed in (("p_adjusted", levels), ("p_equivalent", same)):
        for family, level in allowed.items():
            mine = table["family"] == family
            table.loc[mine, column] = scaled(table.loc[mine, column], level)
    tested = table["why_not_tested"] == ""
    table.loc[tested, "verdict"] = [verdict_of(row) for row in table[tested].to_dict("records")]
    return table


def _of(table: pd.DataFrame, contrast: Contrast) -> pd.DataFrame:
    return table[(table[KEYS] == [contrast.family, contrast.name]).all(axis=1)]
