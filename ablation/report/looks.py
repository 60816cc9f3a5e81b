"""The looks of a study in words and as a table, and a warning about designs that were not planned."""

from collections.abc import Mapping, Sequence

from ablation.records import EarlierDesign, Study
from ablation.report.amounts import Amounts
from ablation.report.blocks import Block, Row, Table, Text
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
LAST = "not decided"


def history(study: Study, judged: Judged | None) -> list[Block]:
    """Return the decisions on every arm at every look; [] for a study without looks."""
    if judged is None or study.looks is None or not judged.looks:
        return []
    head = ["arm", *(f"{look.seeds} seeds" for look in judged.looks), "seeds in all"]
    stopped = {**judged.futile, **judged.decided}
    rows: list[Row] = []
    for arm in (arm.arm for arm in study.arms if arm.arm != study.baseline):
        said = _row(study, judged, arm)
        rows.append([arm, *said, str(stopped.get(arm, judged.looks[-1].seeds))])
    pairs = zip(study.looks.looks, study.looks.levels, strict=True)
    levels = [f"{100 * level:.2g} % at {seeds} seeds" for seeds, level in pairs]
    note = (
        f"Looks at {_listed(study.looks.looks)} seeds, as recorded when the study opened. A look decides at its own level, so "
        f"that all looks together have 5 % false findings: {', '.join(levels)}. The p values of this report are multiplied by 5 % "
        "over the level of their look, so that all are read against 5 %. The numbers of an arm are those of its last look."
    )
    prose = frozenset(range(1, len(head) - 1))
    return [Table("Looks", head, rows, prose=prose, note=note), Text([_used(study, judged)])]


def _used(study: Study, judged: Judged) -> str:
    """Say how many trials the looks took, and if there are more to come."""
    assert study.looks is not None
    used, most = len(study.trials), study.looks.looks[-1] * len(study.arms)
    last = judged.looks[-1]
    if last.seeds == study.looks.looks[-1] or Decision.CONTINUE not in last.decisions.values():
        return f"The study took {used} of at most {most} trials."
    return f"The study took {used} of at most {most} trials so far: the same command goes on with the next look."


def _row(study: Study, judged: Judged, arm: str) -> list[str]:
    """The decisions on an arm at each look. An arm that goes on in spite of a decision is said to do so."""
    decisions = [(look.seeds, look.decisions.get(arm)) for look in judged.looks]
    last = max((seeds for seeds, decision in decisions if decision is not None), default=0)
    return [_words(study, seeds, decision, seeds < last) for seeds, decision in decisions]


def _words(study: Study, seeds: int, decision: Decision | None, goes_on: bool) -> str:
    if decision is None:
        return "–"
    if goes_on:
        return WORDS[decision].replace("stopped", "goes on all the same")
    assert study.looks is not None
    last = seeds == study.looks.looks[-1]
    return LAST if last and decision == Decision.CONTINUE else WORDS[decision]


def evidence(study: Study, judged: Judged | None, arm: str) -> list[str]:
    """Return what an arm's verdict has to say about looks: why it was stopped without a verdict."""
    last = [look.decisions[arm] for look in judged.looks if arm in look.decisions][-1:] if judged else []
    if judged is None or last != [Decision.FUTILE]:
        return []
    margin = Amounts(study.metric()).with_unit(f"{study.margin_points:g}") if study.margin_points else "the margin"
    unlikely = f"a difference of {margin} or more is unlikely, which does not show equivalence"
    return [f"stopped after {judged.futile[arm]} seeds: {unlikely}"]


def method(study: Study) -> list[str]:
    """Return how to read the numbers of a study with looks; [] for another."""
    if study.looks is None:
        return []
    return [
        f"Seeds were added in looks, at {_listed(study.looks.looks)} seeds, and arms that were decided got no more. The levels "
        "of the looks spend 5 % linearly over the seeds (Lan and DeMets 1983), by simulation of the joint distribution over looks "
        "and arms. Intervals of differences are repeated confidence intervals (Jennison and Turnbull 1989): they hold after any "
        "kind of stop. Estimates of arms that stopped early are biased away from zero, as in all sequential designs, and intervals "
        "of error rates do not allow for that."
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
    margin = "no margin" if margin_points is None else f"a margin of {margin_points:g} points"
    return f"{number}{named} and {margin}"


def _listed(numbers: Sequence[int]) -> str:
    """E.g. `3, 5 and 8`."""
    return " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))


def warning(study: Study) -> list[Block]:
    """Return the warning about designs that were not planned, as a block."""
    said = unplanned(study)
    return [Text(said)] if said else []
