"""The looks of a study in words and as a table, and a warning about designs that were not planned."""

from collections.abc import Mapping, Sequence

from ablation.decisions.looks import other_arms
from ablation.plan.contrasts import FACTORIAL, LADDER
from ablation.records import EarlierDesign, LooksRecord, Study
from ablation.report.amounts import Amounts
from ablation.report.blocks import Block, Row, Table, Text
from ablation.stats.sequential_cells import cells_of
from ablation.stats.sequential_contrast_judge import key_of
from ablation.stats.sequential_judge import Decision, Judged

WORDS: Mapping[Decision, str] = {
    Decision.WORSE: "worse, stopped",
    Decision.BETTER: "better, stopped",
    Decision.MIXED: "worse and better, stopped",
    Decision.EQUIVALENT: "equivalent, stopped",
    Decision.FUTILE: "a relevant difference is unlikely, stopped",
    Decision.SATURATED: "cannot be tested, stopped",
    Decision.CONTINUE: "not decided, goes on",
}
CONTRAST_WORDS: Mapping[Decision, str] = {
    Decision.WORSE: "worse, decided",
    Decision.BETTER: "better, decided",
    Decision.MIXED: "worse and better, decided",
    Decision.EQUIVALENT: "equivalent, decided",
    Decision.FUTILE: "no relevant difference likely, needs no more seeds",
    Decision.SATURATED: "cannot be tested, needs no more seeds",
    Decision.CONTINUE: "not decided, goes on",
}
LAST = "not decided"
FIRST: Mapping[str, str] = {LADDER: "rung", FACTORIAL: "effect"}


def history(study: Study, arms: Judged | None, contrasts: Judged | None = None) -> list[Block]:
    """Return the decisions at every look on every contrast, and on every arm that no contrast uses; [] without looks."""
    if study.looks is None:
        return []
    families = dict.fromkeys(each.family for each in study.contrasts)
    tables = [
        *(_table(study, contrasts, family, _named(study, family)) for family in families),
        _table(study, arms, "", {arm: arm for arm in other_arms(study)}),
    ]
    shown = [table for table in tables if table]
    judged = [each for each in (arms, contrasts) if each and each.looks]
    return [*shown, Text([_used(study, judged)])] if shown else []


def _named(study: Study, family: str) -> dict[str, str]:
    """The keys and the names of the contrasts of a family."""
    return {key_of(each): each.name for each in study.contrasts if each.family == family}


def _table(study: Study, judged: Judged | None, family: str, names: Mapping[str, str]) -> Table | None:
    """The decisions on arms, or on the contrasts of a family; None if there are none."""
    if judged is None or study.looks is None or not judged.looks or not names:
        return None
    head = [
        FIRST.get(family, "arm"),
        *(f"{look.seeds} seeds" for look in judged.looks),
        "judged with seeds" if family else "seeds in all",
    ]
    stopped = {**judged.futile, **judged.decided}
    rows: list[Row] = []
    for key, name in names.items():
        rows.append([name, *_row(study.looks, judged, key, family), str(stopped.get(key, judged.looks[-1].seeds))])
    prose = frozenset(range(1, len(head) - 1))
    title = f"Looks, {family}" if family else "Looks"
    return Table(title, head, rows, prose=prose, note=_note(study.looks, family))


def _note(record: LooksRecord, family: str) -> str:
    levels = record.contrast_levels.get(family, record.levels)
    said = [f"{100 * level:.2g} % at {seeds} seeds" for seeds, level in zip(record.looks, levels, strict=True)]
    numbers = "a contrast are those of the look that decided it" if family else "an arm are those of its last look"
    more = " An arm gets more seeds while any contrast that uses it is not decided." if family else ""
    return (
        f"Looks at {_listed(record.looks)} seeds, as recorded when the study opened. A look decides at its own level, so "
        f"that all looks together have 5 % false findings: {', '.join(said)}. The p values of this report are multiplied by 5 % "
        f"over the level of their look, so that all are read against 5 %. The numbers of {numbers}.{more}"
    )


def _used(study: Study, judged: Sequence[Judged]) -> str:
    """Say how many trials the looks took, and if there are more to come."""
    assert study.looks is not None
    used, most = len(study.trials), study.looks.looks[-1] * len(study.arms)
    last = [each.looks[-1] for each in judged]
    ended = all(look.seeds == study.looks.looks[-1] for look in last)
    if ended or not any(Decision.CONTINUE in look.decisions.values() for look in last):
        return f"The study took {used} of at most {most} trials."
    return f"The study took {used} of at most {most} trials so far: the same command goes on with the next look."


def _row(record: LooksRecord, judged: Judged, key: str, family: str) -> list[str]:
    """The decisions on an arm or a contrast at each look. One that goes on in spite of a decision is said to do so."""
    decisions = [(look.seeds, look.decisions.get(key)) for look in judged.looks]
    last = max((seeds for seeds, decision in decisions if decision is not None), default=0)
    return [_words(record, seeds, decision, seeds < last, family) for seeds, decision in decisions]


def _words(record: LooksRecord, seeds: int, decision: Decision | None, goes_on: bool, family: str) -> str:
    if decision is None:
        return "–"
    if family:
        return LAST if seeds == record.looks[-1] and decision == Decision.CONTINUE else CONTRAST_WORDS[decision]
    if goes_on:
        return WORDS[decision].replace("stopped", "goes on all the same")
    return LAST if seeds == record.looks[-1] and decision == Decision.CONTINUE else WORDS[decision]


def evidence(study: Study, judged: Judged | None, key: str) -> list[str]:
    """Return what the verdict on an arm or a contrast has to say about looks: why it was stopped without a verdict."""
    last = [look.decisions[key] for look in judged.looks if key in look.decisions][-1:] if judged else []
    if judged is None or last != [Decision.FUTILE] or key in cells_of(study.contrasts):
        return []
    margin = Amounts(study.metric()).with_unit(f"{study.margin_points:g}") if study.margin_points else "the margin"
    unlikely = f"a difference of {margin} or more is unlikely, which does not show equivalence"
    seeds = judged.futile[key]
    is_arm = key in {arm.arm for arm in study.arms}
    return [f"{f'stopped after {seeds} seeds' if is_arm else f'no seeds after {seeds} were asked for'}: {unlikely}"]


def method(study: Study) -> list[str]:
    """Return how to read the numbers of a study with looks; [] for another."""
    if study.looks is None:
        return []
    who, whose = ("arms that were decided got no more", "arms")
    if study.contrasts:
        who = "an arm got no more when all contrasts that use it were decided"
        whose = "the contrasts of a family; the comparison of arms with the baseline has levels of its own"
    return [
        f"Seeds were added in looks, at {_listed(study.looks.looks)} seeds, and {who}. The levels of the looks spend 5 % linearly "
        "over the seeds (Lan and DeMets 1983), by simulation of the joint distribution over looks and "
        f"{whose}. Intervals of differences are repeated confidence intervals (Jennison and Turnbull 1989): they hold after any "
        "kind of stop. Estimates of arms that stopped early are biased away from zero, as in all sequential designs, and "
        "intervals of error rates do not allow for that."
    ]


def unplanned(study: Study) -> list[str]:
    """Return a sentence for each design of the same arms whose results were known before this one; [] if all was planned."""
    return [_unplanned(study, earlier) for earlier in study.earlier_designs]


def _unplanned(study: Study, earlier: EarlierDesign) -> str:
    now = _design(study.looks.looks if study.looks else [], study.seeds, study.margin_points)
    before = _design(earlier.looks, earlier.seeds, earlier.margin_points)
    return (
        f"Not planned: the same arms were judged on {earlier.opened} UTC with {before}; this study has {now}. The p values and "
        "verdicts below do not allow for that: with a change of the design after its results are known, false findings are more "
        "frequent than 5 %. Plan the looks before a study, or confirm the result with new seeds."
    )


def _design(looks: Sequence[int], seeds: Sequence[int], margin_points: float | None) -> str:
    number = f"looks at {_listed(looks)} seeds" if looks else f"{len(seeds)} seed{'s' if len(seeds) != 1 else ''}"
    named = "" if looks else f" ({', '.join(map(str, seeds[:10]))}{', ...' if len(seeds) > 10 else ''})"
    margin = (
        "no margin"
        if margin_points is None
        else f"a margin of {margin_points:g} point{'s' if margin_points != 1 else ''}"
    )
    return f"{number}{named} and {margin}"


def _listed(numbers: Sequence[int]) -> str:
    """E.g. `3, 5 and 8`."""
    return " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))


def warning(study: Study) -> list[Block]:
    """Return the warning about designs that were not planned, as a block."""
    said = unplanned(study)
    return [Text(said)] if said else []
