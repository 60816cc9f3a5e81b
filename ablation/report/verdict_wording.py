"""Sentences for verdicts. They name what the arm changes and follow its action: remove, replace or add."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablation.decisions.verdict import ArmVerdict, ConditionVerdict, FailedTrials, Overall
from ablation.plan.naming import NamedChange
from ablation.records import ArmRecord, Study
from ablation.report.amounts import Amounts
from ablation.report.wording import values
from ablation.stats.verdict import Caution, NotTested, Verdict
from common.conditions import label as condition_label

OVERALL: Mapping[Overall, str] = {
    Overall.WORSE: "worse",
    Overall.BETTER: "better",
    Overall.MIXED: "worse in some conditions and better in others",
    Overall.EQUIVALENT: "equivalent",
    Overall.INCONCLUSIVE: "inconclusive",
    Overall.NOT_TESTED: "not tested",
}
REASONS: Mapping[NotTested, str] = {
    NotTested.NO_BASELINE: "no trial of the baseline finished",
    NotTested.NO_TRIAL: "an arm of this comparison has no finished trial",
    NotTested.ONE_SEED: "one seed",
    NotTested.ONE_BASELINE_SEED: "one seed of the baseline",
    NotTested.NO_COMMON_SEED: "no seed in common with the baseline",
    NotTested.ONE_COMMON_SEED: "one seed in common with the baseline",
    NotTested.NO_SPREAD: "the trials do not vary between seeds, so there is no measure of chance",
    NotTested.SATURATED: "with and without the change about all words are wrong, so the study cannot tell anything; train for more "
    "steps or on more data",
}
CAUTIONS: Mapping[Caution, str] = {
    Caution.BASELINE_VARIES: "the baseline varies more between seeds than the other arms, so each arm is tested with a separate "
    "variance of the baseline as well",
    Caution.ARM_VARIES: "this arm varies more between seeds than the other arms, so it is tested with its own variance as well",
    Caution.SPREADS_UNSURE: "the arms do not seem to vary equally between seeds, and this difference is significant only if they "
    "do; where an arm varies three times as much as the others, 7 to 17 % of studies without any effect report one with fewer "
    "than six seeds",
}


@dataclass(frozen=True)
class Sentences:
    """A verdict in words: the claim, then its evidence."""

    claim: str
    evidence: Sequence[str]

    def with_evidence(self, more: Sequence[str]) -> "Sentences":
        """Return the verdict with more evidence at its end."""
        return Sentences(self.claim, [*self.evidence, *more])

    @property
    def text(self) -> str:
        """The whole verdict in one line."""
        return f"{self.claim}: {'; '.join(self.evidence)}" if self.evidence else self.claim


def sentences(study: Study, verdict: ArmVerdict) -> Sentences:
    """Put a verdict into words."""
    arm = next(arm for arm in study.arms if arm.arm == verdict.arm)
    write = Amounts(study.metric())
    evidence = [*_evidence(arm, verdict, write), *_missing(study, verdict), *cautions(verdict.conditions)]
    return Sentences(_claim(arm, verdict, write), evidence)


def subject(arm: ArmRecord) -> str:
    """Name what an arm does: `removing the adapter`, `uniform masking in place of differential masking`, `without the video`."""
    if not (arm.changes or arm.overrides or arm.part):  # of an imported study
        return f"arm {arm.arm}"
    changes = arm.changes or [NamedChange(part) for part in arm.overrides or [arm.part or arm.arm]]
    if arm.action == "add":
        return f"adding {and_([change.adds or change.new or change.part for change in changes])}"
    if arm.action == "remove":
        return f"removing {and_([change.lacks or change.part for change in changes])}"
    if _is_without(arm):
        return f"without {and_([change.lacks for change in changes])}"
    if not all(change.new for change in changes):
        return f"{arm.arm} in place of the baseline's {and_([change.part for change in changes])}"
    gone = [change.lacks for change in changes if change.lacks]
    replaced = " together with ".join(_replacement(arm, change) for change in changes if not change.lacks)
    return f"{replaced}, without {and_(gone)}," if gone else replaced


def _is_without(arm: ArmRecord) -> bool:
    """True for an arm whose replacements only take something away."""
    return arm.action not in ("add", "remove") and bool(arm.changes) and all(change.lacks for change in arm.changes)


def _replacement(arm: ArmRecord, change: NamedChange) -> str:
    given = values(arm.overrides.get(change.part))
    old = change.old if change.old and change.old != change.new else "the baseline's"
    return f"{change.new}{f' ({given})' if given else ''} in place of {old}"


def _claim(arm: ArmRecord, verdict: ArmVerdict, write: Amounts) -> str:
    who = subject(arm)
    worse, better = verdict.having(Verdict.WORSE), verdict.having(Verdict.BETTER)
    if _is_without(arm):
        return _claim_without(who, verdict, write)
    match verdict.verdict:
        case Overall.WORSE:
            return f"{who} makes it worse"
        case Overall.BETTER:
            return f"{who} helps" if arm.action == "add" else f"{who} makes it better"
        case Overall.MIXED:
            return f"{who} makes it worse in {_conditions(worse)} and better in {_conditions(better)}"
        case Overall.EQUIVALENT:
            return f"{who} does not help" if arm.action == "add" else f"{who} makes no relevant difference"
        case Overall.INCONCLUSIVE:
            return f"{who} has an inconclusive effect"
        case Overall.NOT_TESTED:
            return f"{who} was not tested"


def _claim_without(who: str, verdict: ArmVerdict, write: Amounts) -> str:
    """A claim such as `without the video, WER rises by 2.1 to 8.0 points`."""
    worse, better = verdict.having(Verdict.WORSE), verdict.having(Verdict.BETTER)
    metric = write.metric.short
    match verdict.verdict:
        case Overall.WORSE | Overall.BETTER:
            return f"{who}, {metric} {direction(worse or better)} by {size_range(worse or better, write)}"
        case Overall.MIXED:
            ends = [direction(worse), direction(better)]
            return f"{who}, {metric} {ends[0]} in {_conditions(worse)} and {ends[1]} in {_conditions(better)}"
        case Overall.EQUIVALENT:
            return f"{who}, {metric} shows no relevant difference"
        case Overall.INCONCLUSIVE:
            return f"{who}, the effect on {metric} is inconclusive"
        case Overall.NOT_TESTED:
            return f"the model {who} was not tested"


def _evidence(arm: ArmRecord, verdict: ArmVerdict, write: Amounts) -> list[str]:
    same, significant = verdict.having(Verdict.EQUIVALENT), verdict.verdict in (Overall.WORSE, Overall.BETTER)
    if significant and _is_without(arm):
        return [by_condition([*verdict.having(Verdict.WORSE), *verdict.having(Verdict.BETTER)], write)]
    if significant or verdict.verdict == Overall.MIXED:
        sides = filter(None, (verdict.having(side) for side in (Verdict.WORSE, Verdict.BETTER)))
        return [f"{write.metric.short} {direction(side)} by {by_condition(side, write)}" for side in sides]
    if verdict.verdict == Overall.EQUIVALENT:
        margin = write.with_unit(f"{verdict.margin_points:g}")
        return [f"equivalent: the difference is shown to be less than {margin} in every condition"]
    if verdict.verdict == Overall.INCONCLUSIVE:
        where = f"equivalent within {write.with_unit(f'{verdict.margin_points:g}')} at {at_(same)}" if same else ""
        open_ = [each for each in verdict.conditions if each not in same]
        return [*filter(None, [where]), detectable_words(open_, write)]
    if not verdict.conditions:
        return [_all_failed(verdict)]
    return list(dict.fromkeys(REASONS[each.why_not_tested] for each in verdict.conditions if each.why_not_tested))


def detectable_words(conditions: Sequence[ConditionVerdict], write: Amounts) -> str:
    """Say what an inconclusive design detects."""
    known = [each.detectable for each in conditions if each.detectable is not None]
    if not known:
        return "no significant difference; the trials do not vary between seeds"
    least, most = write.size(min(known)), write.size(max(known))
    several = f"{write.with_unit(f'{least} to {most}')}, depending on the condition,"
    size = write.with_unit(least) if least == most else several
    return f"no significant difference; this design detects differences of {size} with a power of 80 %"


def direction(conditions: Sequence[ConditionVerdict]) -> str:
    """Return `rises` or `falls`."""
    return "rises" if (conditions[0].difference or 0) > 0 else "falls"


def by_condition(conditions: Sequence[ConditionVerdict], write: Amounts) -> str:
    """Return e.g. `2.1 points at clean, 8.0 points at babble 0 dB`."""
    return ", ".join(
        f"{write.with_unit(_size(each, write))} at {condition_label(each.condition)}" for each in conditions
    )


def size_range(conditions: Sequence[ConditionVerdict], write: Amounts) -> str:
    """Return e.g. `2.1 to 8.0 points`."""
    ordered = [_size(each, write) for each in sorted(conditions, key=lambda each: abs(each.difference or 0))]
    return write.with_unit(ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}")


def _size(condition: ConditionVerdict, write: Amounts) -> str:
    return write.size(condition.difference or 0)


def _conditions(conditions: Sequence[ConditionVerdict]) -> str:
    return f"{len(conditions)} condition{'s' if len(conditions) != 1 else ''}"


def at_(conditions: Sequence[ConditionVerdict]) -> str:
    """List conditions."""
    return and_([condition_label(each.condition) for each in conditions])


def _all_failed(verdict: ArmVerdict) -> str:
    mine = [failed for failed in verdict.failed if failed.arm == verdict.arm]
    return f"trials failed: {_reasons(mine[0])}" if mine else "no trial finished"


def _missing(study: Study, verdict: ArmVerdict) -> list[str]:
    """E.g. `1 of 3 trials failed: seed 2: out of memory`. If all trials failed, the verdict itself says so."""
    return [
        f"{failed.failed} of {failed.trials} trials {'of the baseline ' if failed.arm == study.baseline else ''}failed: "
        f"{_reasons(failed)}"
        for failed in verdict.failed
        if verdict.conditions and failed.failed < failed.trials
    ]


def _reasons(failed: FailedTrials) -> str:
    """E.g. `seeds 1, 2: the loss is not finite`."""
    return ", ".join(
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}: {reason or 'no reason given'}"
        for reason, seeds in failed.reasons
    )


def cautions(conditions: Sequence[ConditionVerdict], words: Mapping[Caution, str] = CAUTIONS) -> list[str]:
    """Return each caution of a verdict once, with its conditions, in their order."""
    found = dict.fromkeys(each.caution for each in conditions if each.caution)
    return [f"at {at_([each for each in conditions if each.caution == caution])} {words[caution]}" for caution in found]


def and_(names: Sequence[str]) -> str:
    """Return e.g. `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
