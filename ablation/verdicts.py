"""One verdict per arm, in words, from the tests of its conditions and from what became of its trials."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ablation.results import Study, TrialRecord
from ablation.significance import EARNS, HARMFUL, NO_DIFFERENCE, NOT_JUDGED

MIXED = "mixed"


@dataclass(frozen=True)
class Verdict:
    """`word` is one of significance's verdicts or `mixed`; `detail` is the evidence, `missing` what is not there."""

    arm: str
    word: str
    detail: str = ""
    missing: str = ""

    @property
    def text(self) -> str:
        """The whole verdict in one line."""
        said = f"{self.word} ({self.detail})" if self.detail else self.word
        return f"{said}; {self.missing}" if self.missing else said


def judge(study: Study, comparison: pd.DataFrame) -> list[Verdict]:
    """The verdict of every arm but the baseline, in the study's order; `comparison` is `significance.compare`'s.

    Arms without a finished trial have no rows there and are *not judged*. Nothing is filled in for failed trials.
    """
    arms = [arm.arm for arm in study.arms if arm.arm != study.baseline]
    return [_judge(study, arm, comparison[comparison["arm"] == arm]) for arm in arms]


def readable(condition: str) -> str:
    """`babble_-5db` as people write it: babble -5 dB."""
    kind, _, snr = condition.rpartition("_")
    return f"{kind} {snr.removesuffix('db')} dB" if kind and snr.endswith("db") else condition


def _judge(study: Study, arm: str, rows: pd.DataFrame) -> Verdict:
    failed = [trial for trial in study.of(arm) if trial.status == "failed"]
    if rows.empty:
        return Verdict(arm, NOT_JUDGED, f"trials failed: {_reasons(failed)}" if failed else "no trial finished")
    missing = f"{len(failed)} of {len(study.of(arm))} trials failed: {_reasons(failed)}" if failed else ""
    earns, harmful = (rows[rows["verdict"] == word] for word in (EARNS, HARMFUL))
    if len(earns) and len(harmful):
        return Verdict(arm, MIXED, f"{_where('worse', earns)}; {_where('better', harmful)}", missing)
    if len(earns):
        return Verdict(arm, EARNS, _where("worse", earns), missing)
    if len(harmful):
        return Verdict(arm, HARMFUL, _where("better", harmful), missing)
    return _undecided(arm, rows, missing)


def _undecided(arm: str, rows: pd.DataFrame, missing: str) -> Verdict:
    shown = rows["verdict"].str.startswith(NO_DIFFERENCE)
    if not shown.any():
        return Verdict(
            arm, NOT_JUDGED, rows["verdict"].iloc[0].removeprefix(f"{NOT_JUDGED} (").removesuffix(")"), missing
        )
    tested = rows[rows["detectable"].notna()]
    if tested.empty:
        return Verdict(arm, NO_DIFFERENCE, "the seeds show no spread", missing)
    least, most = 100 * tested["detectable"].min(), 100 * tested["detectable"].max()
    reach = f"{least:.1f} points" if f"{least:.1f}" == f"{most:.1f}" else f"{least:.1f} to {most:.1f} points"
    by_condition = ", by condition" if " to " in reach else ""
    return Verdict(arm, NO_DIFFERENCE, f"would have seen >= {reach}{by_condition}", missing)


def _where(direction: str, rows: pd.DataFrame) -> str:
    """E.g. `worse by 2.1 points clean, 8.0 points babble 0 dB`."""
    found = [
        f"{abs(100 * difference):.1f} points {readable(condition)}"
        for condition, difference in zip(rows["condition"], rows["difference"], strict=True)
    ]
    return f"{direction} by {', '.join(found)}"


def _reasons(failed: Sequence[TrialRecord]) -> str:
    """E.g. `seeds 1, 2: the loss is not finite`; seeds that failed alike are named together."""
    seeds: dict[str, list[str]] = {}
    for trial in failed:
        seeds.setdefault(trial.reason or "no reason given", []).append(str(trial.seed))
    return ", ".join(f"seed{'s' if len(of) > 1 else ''} {', '.join(of)}: {reason}" for reason, of in seeds.items())
