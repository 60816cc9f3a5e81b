"""Sentences for the verdicts on contrasts: what a rung adds, what a part does on average, and if parts need each other."""

from collections.abc import Sequence

from ablation.decisions.contrasts import ContrastVerdict
from ablation.decisions.verdict import ConditionVerdict, Overall
from ablation.plan.contrasts import Contrast, Effect
from ablation.plan.naming import NamedChange
from ablation.report.amounts import Amounts
from ablation.report.verdict_wording import (
    CAUTIONS,
    REASONS,
    Sentences,
    and_,
    at_,
    by_condition,
    cautions,
    detectable_words,
    direction,
)
from ablation.stats.verdict import Caution, NotTested, Verdict

OF_CONTRASTS = {
    **CAUTIONS,
    Caution.ARM_VARIES: "an arm of this contrast varies more between seeds than the other arms, so the contrast is tested with a "
    "separate variance of that arm as well",
}


def contrast_sentences(verdict: ContrastVerdict, write: Amounts, margin_points: float | None) -> Sentences:
    """Put the verdict on a contrast into words."""
    claim = _together(verdict) if verdict.contrast.kind == Effect.INTERACTION else _claim(verdict)
    return Sentences(claim, [*_evidence(verdict, write, margin_points), *cautions(verdict.conditions, OF_CONTRASTS)])


def contrast_subject(contrast: Contrast) -> str:
    """Name what a contrast is about: `adding the adapter`, `without the adapter`, `differential masking and the adapter`."""
    changes = contrast.changes
    if contrast.kind == Effect.RUNG:
        return _added(changes[0])
    return _replaced(changes[0], contrast.name) if len(changes) == 1 else and_([_thing(change) for change in changes])


def _added(change: NamedChange) -> str:
    if change.lacks:
        return f"adding {change.lacks}"
    return f"{change.old} in place of {change.new}" if _differs(change) else f"adding {change.part}"


def _replaced(change: NamedChange, name: str) -> str:
    if change.lacks:
        return f"removing {change.lacks}"
    return f"{change.new} in place of {change.old}" if _differs(change) else name


def _thing(change: NamedChange) -> str:
    """The original of a part that is replaced."""
    return change.lacks or (change.old if _differs(change) else change.part)


def _differs(change: NamedChange) -> bool:
    return bool(change.new and change.old and change.new != change.old)


def _claim(verdict: ContrastVerdict) -> str:
    who = contrast_subject(verdict.contrast)
    adds = who.startswith("adding ")
    claims = {
        Overall.WORSE: "makes it worse",
        Overall.BETTER: "helps" if adds else "makes it better",
        Overall.MIXED: "makes it worse in some conditions and better in others",
        Overall.EQUIVALENT: "makes no relevant difference",
        Overall.INCONCLUSIVE: "has an inconclusive effect",
        Overall.NOT_TESTED: "was not tested",
    }
    return f"{who} {claims[verdict.verdict]}"


def _together(verdict: ContrastVerdict) -> str:
    """The claim on an interaction. A negative one means that an original part gains more where the other is original too."""
    who, pair = contrast_subject(verdict.contrast), len(verdict.contrast.changes) == 2
    if not pair and verdict.verdict in (Overall.WORSE, Overall.BETTER):
        return f"{who} do not act independently"
    claims = {
        Overall.WORSE: "can stand in for each other",
        Overall.BETTER: "need each other",
        Overall.MIXED: "need each other in some conditions and stand in for each other in others",
        Overall.EQUIVALENT: "act independently",
        Overall.INCONCLUSIVE: "may act independently or not: no interaction was found",
        Overall.NOT_TESTED: "were not tested for an interaction",
    }
    return f"{who} {claims[verdict.verdict]}"


def _evidence(verdict: ContrastVerdict, write: Amounts, margin_points: float | None) -> list[str]:
    sides = [verdict_of for side in (Verdict.WORSE, Verdict.BETTER) if (verdict_of := _having(verdict, side))]
    if sides:
        return [f"{_what(verdict.contrast, write.metric.short, side)} by {by_condition(side, write)}" for side in sides]
    if verdict.verdict == Overall.EQUIVALENT:
        return [f"its size is shown to be less than {write.with_unit(f'{margin_points:g}')} in every condition"]
    if verdict.verdict == Overall.INCONCLUSIVE:
        same = _having(verdict, Verdict.EQUIVALENT)
        where = [f"equivalent within {write.with_unit(f'{margin_points:g}')} at {at_(same)}"] if same else []
        return [*where, detectable_words([each for each in verdict.conditions if each not in same], write)]
    reasons = [each.why_not_tested or NotTested.NO_TRIAL for each in verdict.conditions] or [NotTested.NO_TRIAL]
    return list(dict.fromkeys(REASONS[reason] for reason in reasons))


def _what(contrast: Contrast, metric: str, side: Sequence[ConditionVerdict]) -> str:
    if contrast.kind == Effect.RUNG:
        return f"against the rung before, {metric} {direction(side)}"
    if contrast.kind == Effect.MAIN:
        return f"on average over the other parts, {metric} {direction(side)}"
    more = "more" if direction(side) == "rises" else "less"
    if len(contrast.changes) > 2:
        return f"the interaction {direction(side)} from zero"
    return f"replacing both changes {metric} {more} than the sum of the single effects,"


def _having(verdict: ContrastVerdict, wanted: Verdict) -> list[ConditionVerdict]:
    return [each for each in verdict.conditions if each.verdict == wanted]
