"""The headline of a report in words: what was found, how large it is and where, what remains open, and what would settle it."""

from collections.abc import Iterator, Sequence
from typing import Any

from ablation.decisions.verdict import ArmVerdict, ConditionVerdict, Overall
from ablation.plan.contrasts import FACTORIAL, LADDER, Effect
from ablation.report.content import Content
from ablation.report.contrast_wording import contrast_subject
from ablation.report.no_verdicts import no_verdicts
from ablation.report.seed_groups import caution
from ablation.report.verdict_wording import and_, size_range, subject
from ablation.stats.contrast_power import detectable_contrasts
from ablation.stats.power import MOST_SEEDS, Design, fewest_seeds, seeds_needed
from ablation.stats.verdict import Verdict
from common.conditions import label as condition_label

CLOSEST = "estimate closest to what the study detects"
MOST_NAMED = 4
MOST_PARTS = 2
DECIDED = (Overall.WORSE, Overall.BETTER, Overall.MIXED)


def headline(content: Content) -> list[str]:
    """Return paragraphs: for each family of contrasts, then for the arms. Without a verdict, they say why there is none.

    The last one is a caution, if the seeds of an arm fall into two groups.
    """
    doubt = caution(content.study, content.seed_groups, curves=not content.curves.empty)
    if nothing := no_verdicts(content):
        return [nothing, *doubt]
    families = list(dict.fromkeys(each.family for each in content.study.contrasts))
    return [*(_family(content, family) for family in families if len(content.contrasts)), *_arms(content), *doubt]


def _family(content: Content, family: str) -> str:
    verdicts = [each for each in content.contrast_verdicts if each.contrast.family == family]
    verdicts.sort(key=lambda each: each.contrast.kind != Effect.INTERACTION)  # a factorial asks for them
    said = []
    for each in verdicts:
        claim = content.contrast_sentences[family, each.contrast.name].claim
        if each.verdict in DECIDED:
            mean = "on average over the other parts, " if each.contrast.kind == Effect.MAIN else ""
            is_ = "an interaction of" if each.contrast.kind == Effect.INTERACTION else "by"
            said.append(f"{mean}{claim} ({is_} {_size(content, each.conditions)}{_where(each.conditions)})")
        elif each.verdict == Overall.EQUIVALENT:
            said.append(claim)
    start = {LADDER: "Rung by rung: ", FACTORIAL: "The factorial: "}[family]
    found = start + ("; ".join(said) if said else "nothing that chance does not explain") + "."
    open_ = [each for each in verdicts if each.verdict == Overall.INCONCLUSIVE]
    parts = [found, _open_contrasts(content, family, [each.contrast.name for each in open_]) if open_ else ""]
    untested = [each.contrast.name for each in verdicts if each.verdict == Overall.NOT_TESTED]
    parts += [f"Not tested: {', '.join(untested)}."] if untested else []
    return " ".join(filter(None, parts))


def _open_contrasts(content: Content, family: str, names: Sequence[str]) -> str:
    """Name the open contrasts of a family, and the seeds that would settle the estimate that is closest to detection."""
    rows = content.contrasts[content.contrasts["contrast"].isin(names) & (content.contrasts["family"] == family)]
    subjects = [
        f"{'the interaction of ' if each.kind == Effect.INTERACTION else ''}{contrast_subject(each)}"
        for each in content.study.contrasts
        if each.family == family and each.name in names
    ]
    said = f"Open: {_named(subjects)}."
    row = _closest([{str(key): value for key, value in row.items()} for row in rows.to_dict("records")])
    if row is None or row["condition"] not in content.spreads:
        return said
    arms, conditions = len(content.study.arms), len(content.study.conditions)
    weights = {each.name: _row_of(content, each.weights) for each in content.study.contrasts if each.family == family}
    spread = content.spreads[row["condition"]].wer

    def seen(seeds: int) -> float | None:
        sizes = detectable_contrasts(weights, arms, seeds, conditions)
        return None if sizes is None else sizes[row["contrast"]] * spread

    return f"{said} {_settled(content, row, str(row['contrast']), fewest_seeds(seen, abs(row['difference'])))}"


def _row_of(content: Content, weights: dict[str, float]) -> list[float]:
    return [weights.get(arm.arm, 0.0) for arm in content.study.arms]


def _arms(content: Content) -> list[str]:
    verdicts = [*content.verdicts.values()]
    decided = [each for each in verdicts if each.verdict in DECIDED]
    decided.sort(key=lambda each: -max(abs(one.difference or 0) for one in each.conditions))
    parts = []
    if decided:
        said = [_found(content, each) for each in decided[:MOST_NAMED]]
        more = len(decided) - MOST_NAMED
        rest = f"; and {more} more arm{'s' if more > 1 else ''}, see below" if more > 0 else ""
        parts.append(f"Against the baseline: {'; '.join(said)}{rest}.")
    elif any(each.conditions for each in verdicts):
        parts.append("Against the baseline, no arm shows a difference that chance does not explain.")
    parts += _other_arms(content, verdicts)
    return [" ".join(parts)] if parts else []


def _other_arms(content: Content, verdicts: Sequence[ArmVerdict]) -> Iterator[str]:
    """Sentences on equivalent, open and untested arms."""
    same = [each.arm for each in verdicts if each.verdict == Overall.EQUIVALENT]
    if same:
        yield f"Equivalent to the baseline within {_margin(content)}: {_named(same)}."
    yield from _open_arms(content, [each.arm for each in verdicts if each.verdict == Overall.INCONCLUSIVE])
    untested = [each.arm for each in verdicts if each.verdict == Overall.NOT_TESTED]
    if untested:
        yield f"Not tested: {_named(untested)}."


def _found(content: Content, verdict: ArmVerdict) -> str:
    claim, size = content.sentences[verdict.arm].claim, _size(content, verdict.conditions)
    arm = next(arm for arm in content.study.arms if arm.arm == verdict.arm)
    if len(arm.overrides) > MOST_PARTS:  # a list of all its changes would hide the finding
        claim = claim.replace(subject(arm), f"{arm.arm} (which changes {len(arm.overrides)} parts)", 1)
    where = _where(verdict.conditions)
    return f"{claim}{where}" if size in claim else f"{claim} (by {size}{where})"


def _where(conditions: Sequence[ConditionVerdict]) -> str:
    """E.g. ` at babble 0 dB`, ` in 3 of 5 conditions`; empty for a study with one condition."""
    decided = [each for each in conditions if each.verdict in (Verdict.WORSE, Verdict.BETTER)]
    if len(conditions) < 2:
        return ""
    if len(decided) == 1:
        return f" at {condition_label(decided[0].condition)}"
    everywhere = "both" if len(conditions) == 2 else f"all {len(conditions)}"
    of = everywhere if len(decided) == len(conditions) else f"{len(decided)} of {len(conditions)}"
    return f" in {of} conditions"


def _size(content: Content, conditions: Sequence[ConditionVerdict]) -> str:
    decided = [each for each in conditions if each.verdict in (Verdict.WORSE, Verdict.BETTER)]
    return size_range(decided, content.amounts)


def _open_arms(content: Content, arms: Sequence[str]) -> Iterator[str]:
    if not arms:
        return
    yield f"Open: {_named(arms)}."
    study = content.study
    design = Design(len(study.arms) - 1, len(study.seeds), len(study.conditions))
    rows = [row for arm in arms for name in study.conditions if (row := content.row(arm, name))]
    row = _closest([row for row in rows if row["verdict"] == Verdict.INCONCLUSIVE])
    if row is None or row["condition"] not in content.spreads or not design.judges:
        return
    spread = content.spreads[row["condition"]].wer
    if study.margin_points is not None and content.metric.scale * abs(row["difference"]) < study.margin_points:
        yield f"The {CLOSEST} ({_estimate(content, row, str(row['arm']))}) is below the margin."
    else:
        yield _settled(content, row, str(row["arm"]), seeds_needed(design, spread, difference=abs(row["difference"])))
    if study.margin_points is not None:
        widest = max(each.wer for each in content.spreads.values())
        needed = seeds_needed(design, widest, margin=study.margin_points / content.metric.scale)
        many = f"{needed} seeds" if needed else f"more than {MOST_SEEDS} seeds"
        yield f"To show that an arm without a difference is within {_margin(content)} takes {many}."


def _closest(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The row whose estimate is nearest to what the study detects."""
    known = [row for row in rows if row["detectable"] == row["detectable"] and row["difference"]]
    return max(known, key=lambda row: abs(row["difference"]) / row["detectable"], default=None)


def _settled(content: Content, row: dict[str, Any], name: str, seeds: int | None) -> str:
    closest = f"{CLOSEST} ({_estimate(content, row, name)})"
    if seeds is None:
        return f"The {closest} is so small that {MOST_SEEDS} seeds would not settle it."
    more = seeds - len(content.study.seeds)
    if more <= 0:
        return f"The {closest} is of a size that so many seeds find in most studies, but not in this one."
    trials = more * len(content.study.arms)
    return f"If the {closest} is the true difference, {seeds} seeds ({trials} trials more) find it with a probability of 80 %."


def _estimate(content: Content, row: dict[str, Any], name: str) -> str:
    size = content.amounts.with_unit(content.amounts.size(row["difference"]))
    return f"{name} at {condition_label(row['condition'])}, {size}"


def _margin(content: Content) -> str:
    return content.amounts.with_unit(f"{content.study.margin_points:g}")


def _named(names: Sequence[str]) -> str:
    shown = [*names[:MOST_NAMED], *([f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else [])]
    return and_(shown)
