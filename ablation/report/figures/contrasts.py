"""Figures of contrasts: what each rung adds, main effects and interactions, with their intervals."""

from collections.abc import Mapping, Sequence

from ablation.plan.contrasts import Contrast, Effect
from ablation.report.blocks import Picture, Pictures
from ablation.report.content import Content
from ablation.report.figures.plots import HOLM, MOST_PRINTED, forest_row, pages, points_of
from ablation.report.figures.spec import Forest

SIDES: Mapping[Effect, tuple[str, str]] = {
    Effect.RUNG: ("rung helps", "rung harms"),
    Effect.MAIN: ("better", "replacement is worse"),
    Effect.INTERACTION: ("need each other", "stand in"),
}
OF_MANY = ("below zero", "above zero")  # the sign of an interaction of three or more parts has no meaning of its own
NAMES: Mapping[Effect, str] = {
    Effect.RUNG: "Rung minus the rung before",
    Effect.MAIN: "Main effects",
    Effect.INTERACTION: "Interactions",
}
INTERVALS = "with 95 % confidence intervals, simultaneous over {}{}. Filled: significant after correction; hollow: not"


def pictures(content: Content, family: str) -> list[Pictures]:
    """Return the figures of a family of contrasts, those of each kind with an axis of its own; [] if nothing was estimated."""
    groups: dict[tuple[Effect, bool], list[Contrast]] = {}
    for each in content.study.contrasts:
        if each.family == family:
            groups.setdefault((each.kind, len(each.changes) > 2), []).append(each)
    blocks = []
    for mine in groups.values():
        if drawn := forests(content, mine):
            captions = [""] * (len(drawn) - 1) + [_caption(content, mine[0])]
            blocks.append(Pictures([*map(Picture, drawn, captions)], screen_only=len(drawn) > MOST_PRINTED))
    return blocks


def forests(content: Content, contrasts: Sequence[Contrast]) -> list[Forest]:
    """Return forests of contrasts of one family and kind: a group for each contrast, a row for each condition."""
    first = contrasts[0]
    table = content.contrasts[(content.contrasts["family"] == first.family) & content.contrasts["difference"].notna()]
    groups = []
    for each in contrasts:
        rows = table[table["contrast"] == each.name].to_dict("records")
        if rows:
            groups.append((each.name, [forest_row(each.name, row, content.amounts) for row in rows]))
    label = f"{NAMES[first.kind]} in each condition, with intervals; the table above has the numbers"
    sides = OF_MANY if len(first.changes) > 2 else SIDES[first.kind]
    return pages(content, groups, label, f"difference in {points_of(content)}", sides)


def _caption(content: Content, first: Contrast) -> str:
    rows = content.contrasts[content.contrasts["family"] == first.family]
    said = f"{NAMES[first.kind]}, in {points_of(content)}"
    if rows["diff_low"].isna().all():
        return f"{said}; without intervals, as nothing was tested."
    over = "the rungs" if first.kind == Effect.RUNG else "all main effects and interactions"
    looks = "" if content.study.looks is None else " and over all looks"
    return f"{said}, {INTERVALS.format(over, looks)}{HOLM if len(content.study.conditions) > 1 else ''}."
