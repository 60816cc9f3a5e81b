"""The caution about arms whose seeds fall into two groups, in words: in the headline, and as evidence of each arm."""

from collections.abc import Mapping, Sequence

from ablation.decisions.seed_groups import SeedGroups
from ablation.records import Study
from ablation.report.amounts import Amounts
from ablation.report.verdict_wording import and_
from common.conditions import label as condition_label

MOST_SEEDS = 6
MOST_VALUES = 3
MOST_ARMS = 4
MEANING = "training did not reach the same point with every seed"


def evidence(study: Study, group: SeedGroups) -> str:
    """Return e.g. `at clean, seeds 3 and 5 end at 52.5 and 42.1 %, the other seeds at 6.7 to 8.8 %: training did not ...`."""
    return (
        f"{_at(study, group)}{_seeds(group)} {_ends(study, group)}, the other seeds {_others(study, group)}: {MEANING}"
    )


def caution(study: Study, groups: Sequence[SeedGroups], *, curves: bool) -> list[str]:
    """Return the paragraph of the headline; [] without groups. `curves`: the report shows curves of training."""
    if not groups:
        return []
    ordered = sorted(groups, key=lambda each: (each.inferred, each.arm != study.baseline))
    alike: dict[tuple[int, ...], list[SeedGroups]] = {}
    for group in ordered:
        alike.setdefault(tuple(group.seeds), []).append(group)
    said = [_paragraph(study, each) for each in alike.values()][:MOST_ARMS]
    more = sum(map(len, [*alike.values()][MOST_ARMS:]))
    rest = [f"{more} more arm{'s have' if more > 1 else ' has'} such seeds, see below."] if more else []
    return [f"Caution: {MEANING}. {' '.join([*said, *rest])} {_remedy(study, groups, curves)}"]


def _paragraph(study: Study, groups: Sequence[SeedGroups]) -> str:
    """Say what one arm's seeds reach, and in which other arms the same seeds stand apart."""
    first, *rest = groups
    of = "the baseline" if first.arm == study.baseline else first.arm
    said = f"{_at(study, first)}{_seeds(first)} of {of} {_ends(study, first)}, its other seeds {_others(study, first)}."
    said = said[:1].upper() + said[1:]
    if not rest:
        return said
    names = ["the baseline" if each.arm == study.baseline else each.arm for each in rest]
    shown = [*names[:MOST_ARMS], *([f"{len(names) - MOST_ARMS} more"] if names[MOST_ARMS:] else [])]
    verb = "stands" if len(first.seeds) == 1 else "stand"
    return f"{said} The same seed{'s' if len(first.seeds) > 1 else ''} {verb} apart in {and_(shown)}."


def _remedy(study: Study, groups: Sequence[SeedGroups], curves: bool) -> str:
    these, their = ("these arms", "their intervals are") if len(groups) > 1 else ("this arm", "its interval is")
    look = "look at the curves of these seeds under Training" if curves else "look at their training curves"
    them = "compare these seeds by hand" if study.measure is not None else "train longer"
    return f"The mean over all seeds of {these} describes neither group, and {their} wide: {them}, or {look}."


def _at(study: Study, group: SeedGroups) -> str:
    return f"at {condition_label(group.condition)}, " if len(study.conditions) > 1 else ""


def _seeds(group: SeedGroups) -> str:
    """E.g. `seeds 3 and 5`, `seed 2`, `8 of 20 seeds`."""
    names = [str(seed) for seed in group.seeds]
    if len(names) > MOST_SEEDS:
        return f"{len(names)} of {len(names) + len(group.others)} seeds"
    return f"seed{'s' if len(names) > 1 else ''} {and_(names)}"


def _ends(study: Study, group: SeedGroups) -> str:
    return f"end{'s' if len(group.seeds) == 1 else ''} at {_values(study, group.seeds)}"


def _others(study: Study, group: SeedGroups) -> str:
    return f"at {_range(study, group.others)}"


def _values(study: Study, values: Mapping[int, float]) -> str:
    """E.g. `52.5 and 42.1 %`, in the order of the seeds; a range of many."""
    if len(values) > MOST_VALUES:
        return _range(study, values)
    return _with_unit(study, and_([Amounts(study.metric()).bare(value) for value in values.values()]))


def _range(study: Study, values: Mapping[int, float]) -> str:
    low, high = (Amounts(study.metric()).bare(each(values.values())) for each in (min, max))
    return _with_unit(study, low if low == high else f"{low} to {high}")


def _with_unit(study: Study, text: str) -> str:
    return f"{text} {study.metric().unit}".rstrip()
