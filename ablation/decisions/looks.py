"""The looks of a study: its design as recorded, and the decisions that follow from its results."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import pandas as pd

from ablation.records import LooksRecord, Study
from ablation.stats.sequential import LookDesign, design
from ablation.stats.sequential_judge import Judged, judge_looks


@lru_cache(maxsize=8)
def design_of(looks: tuple[int, ...], arms: int, conditions: int, margin_points: float | None) -> LookDesign:
    """Return the design of a plan; `arms` does not count the baseline."""
    return design(looks, arms, conditions, margin_points)


def recorded(plan: LookDesign, seeds: Sequence[int], stopped: Mapping[str, int]) -> LooksRecord:
    """Return the record of a design for study.json, with the seeds of this look and the arms that were stopped before it."""
    return LooksRecord(
        looks=list(plan.looks),
        seeds=list(seeds),
        stopped=dict(stopped),
        arms=plan.arms,
        conditions=plan.conditions,
        margin_points=plan.margin_points,
        levels=list(plan.levels),
        equivalence_levels=list(plan.equivalence_levels),
        spending=plan.spending,
    )


def judged_study(study: Study, counts: pd.DataFrame, metric: str | None = None) -> Judged:
    """Judge the looks of a study by its record; it must have one. `metric` is the first of the study unless given."""
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
    return judge_looks(counts, plan, record.seeds, study.baseline, metric=metric or study.metrics[0])
