"""Verdicts on arms from the verdicts of their conditions, and from the trials that failed."""

import math

import pandas as pd
import pytest

from ablation.decisions.verdict import ArmVerdict, ConditionVerdict, FailedTrials, Overall, judge
from ablation.records import ArmRecord, Study, TrialRecord
from ablation.stats.significance import COLUMNS
from ablation.stats.verdict import Caution, NotTested, Verdict

WORSE, BETTER, EQUIVALENT = Verdict.WORSE, Verdict.BETTER, Verdict.EQUIVALENT
INCONCLUSIVE, NOT_TESTED = Verdict.INCONCLUSIVE, Verdict.NOT_TESTED


def verdict(
    verdicts: list[Verdict],
    failed: dict[int, str | None] | None = None,
    baseline_failed: dict[int, str | None] | None = None,
    **columns: object,
) -> ArmVerdict:
    """The verdict on one arm from the verdicts of its conditions, and from reasons of failure by seed."""
    rows = [("a", f"c{place}", 0.01, 0.02, each, "", "") for place, each in enumerate(verdicts)]
    names = ["arm", "condition", "difference", "detectable", "verdict", "why_not_tested", "caution"]
    table = pd.DataFrame(rows, columns=names).assign(**columns).reindex(columns=COLUMNS)
    trials = [TrialRecord(arm=arm, seed=99, status="finished") for arm in ("a", "baseline")]
    for arm, reasons in (("a", failed), ("baseline", baseline_failed)):
        trials += [TrialRecord(arm=arm, seed=n, status="failed", reason=why) for n, why in (reasons or {}).items()]
    arms = [ArmRecord(arm="baseline"), ArmRecord(arm="a", part="masking")]
    study = Study(study="s", preset="p", corpus={}, seeds=[1], conditions=["c0"], arms=arms, trials=trials)
    [found] = judge(study, table)
    return found


@pytest.mark.parametrize(
    ("verdicts", "overall"),
    [
        ([WORSE, WORSE, INCONCLUSIVE], Overall.WORSE),
        ([INCONCLUSIVE, BETTER], Overall.BETTER),
        ([BETTER, INCONCLUSIVE, WORSE], Overall.MIXED),
        ([EQUIVALENT, WORSE], Overall.WORSE),
        ([EQUIVALENT, EQUIVALENT], Overall.EQUIVALENT),
        ([EQUIVALENT, INCONCLUSIVE], Overall.INCONCLUSIVE),
        ([EQUIVALENT, NOT_TESTED], Overall.INCONCLUSIVE),
        ([INCONCLUSIVE, NOT_TESTED], Overall.INCONCLUSIVE),
        ([NOT_TESTED, NOT_TESTED], Overall.NOT_TESTED),
        ([NOT_TESTED, WORSE], Overall.WORSE),
        ([], Overall.NOT_TESTED),
    ],
)
def test_one_significant_condition_decides(verdicts: list[Verdict], overall: Overall) -> None:
    found = verdict(verdicts)
    assert found.verdict == overall
    assert [each.verdict for each in found.conditions] == verdicts


def test_a_condition_keeps_its_numbers_and_reasons() -> None:
    [found] = verdict([INCONCLUSIVE], caution=Caution.ARM_VARIES).conditions
    assert found == ConditionVerdict("c0", INCONCLUSIVE, 0.01, 0.02, None, Caution.ARM_VARIES)
    [found] = verdict([NOT_TESTED], detectable=math.nan, why_not_tested=NotTested.ONE_SEED).conditions
    assert found == ConditionVerdict("c0", NOT_TESTED, 0.01, None, NotTested.ONE_SEED)


def test_seeds_that_failed_for_one_reason_are_grouped() -> None:
    found = verdict([WORSE], {1: "loss is NaN", 2: None, 3: "loss is NaN"}, {7: "out of memory"})
    assert found.failed == [
        FailedTrials("a", 4, [("loss is NaN", (1, 3)), (None, (2,))]),
        FailedTrials("baseline", 2, [("out of memory", (7,))]),
    ]
    assert [failed.failed for failed in found.failed] == [3, 1]
    assert verdict([WORSE]).failed == []
