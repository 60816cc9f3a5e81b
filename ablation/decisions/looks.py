"""The looks of a study: its design as recorded, and the decisions that follow from its results."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from ablation.records import LooksRecord, Study
from ablation.stats.sequential import LookDesign, design
from ablation.stats.sequential_cells import cells_of, stopped_arms
from ablation.stats.sequential_contrast_judge import judge_contrast_looks
from ablation.stats.sequential_contrasts import ContrastDesign
from ablation.stats.sequential_judge import Judged, judge_looks


@dataclass(frozen=True)
class JudgedStudy:
    """The looks of a study, judged: those of its arms and those of its contrasts, which are empty without a ladder or a factorial.

    `stopped` maps the arms that need no more seeds to their numbers of seeds; `decided` leaves out those that are only futile.
    `cells` are the arms whose seeds contrasts decide on.
    """

    arms: Judged
    contrasts: Judged
    stopped: Mapping[str, int]
    decided: Mapping[str, int]
    cells: Collection[str] = ()


@lru_cache(maxsize=8)
def design_of(looks: tuple[int, ...], arms: int, conditions: int, margin_points: float | None) -> LookDesign:
    """Return the design of a plan; `arms` does not count the baseline."""
    return design(looks, arms, conditions, margin_points)


def recorded(
    plan: LookDesign, seeds: Sequence[int], stopped: Mapping[str, int], contrasts: ContrastDesign | None = None
) -> LooksRecord:
    """Return the record of a design for study.json, with the seeds of this look and the arms that were stopped before it."""
    levels, same = (contrasts.levels, contrasts.equivalence_levels) if contrasts else ({}, {})
    return LooksRecord(
        looks=list(plan.looks),
        seeds=list(seeds),
        stopped=dict(stopped),
        arms=plan.arms,
        conditions=plan.conditions,
        margin_points=plan.margin_points,
        levels=list(plan.levels),
        equivalence_levels=list(plan.equivalence_levels),
        contrast_levels={family: list(its) for family, its in levels.items()},
        contrast_equivalence_levels={family: list(its) for family, its in same.items()},
        spending=plan.spending,
    )


def judged_arms(study: Study, counts: pd.DataFrame, metric: str | None = None) -> Judged:
    """Judge the arms of a study with looks by its record. `metric` is the first of the study unless given."""
    record = study.looks
    assert record is not None
    plan = LookDesign(
        tuple(record.looks),
        record.arms,
        record.conditions,
        record.margin_points,
        tuple(record.levels),
        tuple(record.equivalence_levels),
        record.spending,
    )
    cells = cells_of(study.contrasts)
    return judge_looks(counts, plan, record.seeds, study.baseline, metric=metric or study.metrics[0], cells=cells)


def judged_contrasts(study: Study, counts: pd.DataFrame) -> Judged:
    """Judge the contrasts of a study with looks by its record, by the first metric."""
    record = study.looks
    assert record is not None
    plan = ContrastDesign(
        tuple(record.looks),
        record.conditions,
        record.margin_points,
        {family: tuple(its) for family, its in record.contrast_levels.items()},
        {family: tuple(its) for family, its in record.contrast_equivalence_levels.items()},
        record.spending,
    )
    return judge_contrast_looks(counts, plan, study.contrasts, record.seeds, metric=study.metrics[0])


def other_arms(study: Study) -> list[str]:
    """Return the arms that no contrast uses: their differences to the baseline decide on their seeds."""
    cells = cells_of(study.contrasts)
    return [arm.arm for arm in study.arms if arm.arm not in (study.baseline, *cells)]


def judged_study(study: Study, counts: pd.DataFrame) -> JudgedStudy:
    """Judge the looks of a study by its record; it must have one."""
    arms, contrasts = judged_arms(study, counts), judged_contrasts(study, counts)
    stopped, decided = (
        stopped_arms(arms, contrasts, study.contrasts, other_arms(study), study.baseline, futility=futility)
        for futility in (True, False)
    )
    return JudgedStudy(arms, contrasts, stopped, decided, cells_of(study.contrasts))
