"""The verdict on an arm: the tests of its conditions, combined, and the trials that are missing. Numbers and enums only."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from ablation.records import Study
from ablation.stats.verdict import Caution, NotTested, Verdict


class Overall(StrEnum):
    """The verdict over all conditions: one of `Verdict`, or `mixed`."""

    WORSE = Verdict.WORSE
    BETTER = Verdict.BETTER
    MIXED = "mixed"
    EQUIVALENT = Verdict.EQUIVALENT
    INCONCLUSIVE = Verdict.INCONCLUSIVE
    NOT_TESTED = Verdict.NOT_TESTED


@dataclass(frozen=True)
class ConditionVerdict:
    """The test of an arm in one condition. Differences are fractions; None where there is no such number."""

    condition: str
    verdict: Verdict
    difference: float | None = None
    detectable: float | None = None
    why_not_tested: NotTested | None = None
    caution: Caution | None = None


@dataclass(frozen=True)
class FailedTrials:
    """The failed ones of an arm's trials. `reasons` has each reason with its seeds; a reason may be None."""

    arm: str
    trials: int
    reasons: Sequence[tuple[str | None, Sequence[int]]]

    @property
    def failed(self) -> int:
        """The number of failed trials."""
        return sum(len(seeds) for _, seeds in self.reasons)


@dataclass(frozen=True)
class ArmVerdict:
    """The verdict on an arm with its evidence.

    `conditions` is empty if no trial of the arm finished. `failed` has the failed trials of the arm and of the baseline, if any.
    """

    arm: str
    verdict: Overall
    conditions: Sequence[ConditionVerdict]
    failed: Sequence[FailedTrials]
    margin_points: float | None = None

    def having(self, verdict: Verdict) -> list[ConditionVerdict]:
        """Return the conditions with a verdict."""
        return [each for each in self.conditions if each.verdict == verdict]


def judge(study: Study, comparison: pd.DataFrame) -> list[ArmVerdict]:
    """Return the verdict on every arm except the baseline, in the study's order.

    `comparison` is the table of `significance.compare`. It has no rows for arms without a finished trial: they are not tested.
    """
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in comparison.to_dict("records"):
        rows.setdefault(row["arm"], []).append({str(name): value for name, value in row.items()})
    return [_judge(study, arm.arm, rows.get(arm.arm, [])) for arm in study.arms if arm.arm != study.baseline]


def _judge(study: Study, arm: str, rows: Sequence[Mapping[str, Any]]) -> ArmVerdict:
    conditions = [condition_verdict(row) for row in rows]
    failed = [found for name in (arm, study.baseline) if (found := _failed(study, name)).failed]
    return ArmVerdict(arm, overall({each.verdict for each in conditions}), conditions, failed, study.margin_points)


def condition_verdict(row: Mapping[str, Any]) -> ConditionVerdict:
    """Return the test of one row of a comparison."""
    return ConditionVerdict(
        row["condition"],
        Verdict(row["verdict"]),
        _number(row["difference"]),
        _number(row["detectable"]),
        NotTested(row["why_not_tested"]) if row["why_not_tested"] else None,
        Caution(row["caution"]) if row["caution"] else None,
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def overall(verdicts: set[Verdict]) -> Overall:
    """Return the verdicts of the conditions combined. One significant condition decides."""
    if verdicts >= {Verdict.WORSE, Verdict.BETTER}:
        return Overall.MIXED
    for significant in (Verdict.WORSE, Verdict.BETTER):
        if significant in verdicts:
            return Overall(significant)
    if verdicts == {Verdict.EQUIVALENT}:
        return Overall.EQUIVALENT
    return Overall.INCONCLUSIVE if verdicts & {Verdict.EQUIVALENT, Verdict.INCONCLUSIVE} else Overall.NOT_TESTED


def _failed(study: Study, arm: str) -> FailedTrials:
    """The failed trials of an arm; seeds that failed for the same reason are grouped."""
    trials = study.of(arm)
    seeds: dict[str | None, list[int]] = {}
    for trial in trials:
        if trial.status == "failed":
            seeds.setdefault(trial.reason, []).append(trial.seed)
    return FailedTrials(arm, len(trials), [(reason, tuple(of)) for reason, of in seeds.items()])
