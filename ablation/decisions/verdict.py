"""One verdict per arm, in words, from the tests of its conditions and from what became of its trials."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ablation.results import ArmRecord, Study, TrialRecord
from ablation.stats.significance import EARNS, EQUIVALENT, HARMFUL, NO_DIFFERENCE, NOT_JUDGED
from common.conditions import label as condition_label

MIXED = "mixed"


@dataclass(frozen=True)
class Verdict:
    """What an arm says about the part of the baseline that it ablates.

    `word` is one of significance's verdicts or `mixed`; `detail` is the evidence, `missing` what is not there,
    `caution` what the evidence is to be read with.
    """

    arm: str
    part: str
    word: str
    detail: str = ""
    missing: str = ""
    caution: str = ""

    @property
    def text(self) -> str:
        """The whole verdict in one line."""
        return f"{self.claim}{self.evidence}"

    @property
    def claim(self) -> str:
        """The word with its subject: it is the baseline's part that earns its place, and not the arm."""
        if self.word == EARNS:
            return f"{self.part} {self.word}"
        return f"{self.part} is {self.word}" if self.word == HARMFUL else self.word

    @property
    def evidence(self) -> str:
        """What stands behind the claim, in brackets, what is missing and what to mind."""
        after = [f"; {text}" for text in (self.missing, self.caution) if text]
        return (f" ({self.detail})" if self.detail else "") + "".join(after)


def judge(study: Study, comparison: pd.DataFrame) -> list[Verdict]:
    """The verdict of every arm but the baseline, in the study's order; `comparison` is `significance.compare`'s.

    Arms without a finished trial have no rows there and are *not judged*. Nothing is filled in for failed trials.
    """
    arms = [arm for arm in study.arms if arm.arm != study.baseline]
    return [_judge(study, arm, comparison[comparison["arm"] == arm.arm]) for arm in arms]


def _judge(study: Study, arm: ArmRecord, rows: pd.DataFrame) -> Verdict:
    failed = [trial for trial in study.of(arm.arm) if trial.status == "failed"]
    part = arm.part or arm.arm
    if rows.empty:
        return Verdict(
            arm.arm, part, NOT_JUDGED, f"trials failed: {_reasons(failed)}" if failed else "no trial finished"
        )
    word, detail = _weigh(rows, "with it" if arm.action == "add" else "without it")
    missing = [_lost(study, arm.arm, "trials"), _lost(study, study.baseline, "trials of the baseline")]
    return Verdict(arm.arm, part, word, detail, "; ".join(filter(None, missing)), _caution(rows))


def _caution(rows: pd.DataFrame) -> str:
    """The conditions' cautions, each once with its conditions."""
    doubted = rows[rows["caution"] != ""]
    return "; ".join(
        f"at {', '.join(map(condition_label, group['condition']))} {text}"
        for text, group in doubted.groupby("caution", sort=False)
    )


def _lost(study: Study, arm: str, what: str) -> str:
    """E.g. `1 of 3 trials failed: seed 2: out of memory`; empty if none did, or all, which the verdict says itself."""
    trials = study.of(arm)
    failed = [trial for trial in trials if trial.status == "failed"]
    some = 0 < len(failed) < len(trials)
    return f"{len(failed)} of {len(trials)} {what} failed: {_reasons(failed)}" if some else ""


def _weigh(rows: pd.DataFrame, arm_is: str) -> tuple[str, str]:
    """Word and evidence from the verdicts of an arm's conditions; one significant condition decides.

    An arm is the model `without it` or, where it adds what the baseline lacks, `with it`: then being better speaks for it.
    """
    worse, better = (rows[rows["verdict"] == word] for word in (EARNS, HARMFUL))
    when_worse, when_better = (EARNS, HARMFUL) if arm_is == "without it" else (HARMFUL, EARNS)
    if len(worse) and len(better):
        return MIXED, f"{_where(arm_is, 'worse', worse)}; {_where(arm_is, 'better', better)}"
    if len(worse):
        return when_worse, _where(arm_is, "worse", worse)
    if len(better):
        return when_better, _where(arm_is, "better", better)
    same = rows[rows["verdict"].str.startswith(EQUIVALENT)]
    if len(same) == len(rows):
        return EQUIVALENT, _bracketed(same)
    if not len(same) and not rows["verdict"].str.startswith(NO_DIFFERENCE).any():
        return NOT_JUDGED, _bracketed(rows)
    where = (
        f"{EQUIVALENT} {_bracketed(same)} at {', '.join(map(condition_label, same['condition']))}; "
        if len(same)
        else ""
    )
    return NO_DIFFERENCE, where + _reach(rows.drop(same.index)["detectable"].dropna())


def _bracketed(rows: pd.DataFrame) -> str:
    """What stands in the brackets of the first row's verdict."""
    return str(rows["verdict"].iloc[0]).partition(" (")[2].removesuffix(")")


def _reach(detectable: pd.Series) -> str:
    """What the design would have seen, over the conditions."""
    if detectable.empty:
        return "the seeds show no spread"
    least, most = f"{100 * detectable.min():.1f}", f"{100 * detectable.max():.1f}"
    return f"would have seen >= {least} points" + ("" if least == most else f" at best, >= {most} at worst")


def _where(arm_is: str, direction: str, rows: pd.DataFrame) -> str:
    """E.g. `without it worse by 2.1 points at clean, 8.0 points at babble 0 dB`."""
    found = [
        f"{abs(100 * difference):.1f} points at {condition_label(condition)}"
        for condition, difference in zip(rows["condition"], rows["difference"], strict=True)
    ]
    return f"{arm_is} {direction} by {', '.join(found)}"


def _reasons(failed: Sequence[TrialRecord]) -> str:
    """E.g. `seeds 1, 2: the loss is not finite`; seeds that failed alike are named together."""
    seeds: dict[str, list[str]] = {}
    for trial in failed:
        seeds.setdefault(trial.reason or "no reason given", []).append(str(trial.seed))
    return ", ".join(f"seed{'s' if len(of) > 1 else ''} {', '.join(of)}: {reason}" for reason, of in seeds.items())
