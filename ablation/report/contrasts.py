"""The first sections of a report with a ladder or a factorial: a card and a row per contrast."""

from collections.abc import Mapping, Sequence

from ablation.decisions.verdict import Overall
from ablation.plan.contrasts import FACTORIAL, LADDER, Contrast, Effect
from ablation.report.blocks import Block, Card, Cell, Row, Section, Table, Verdicts
from ablation.report.content import Content
from ablation.report.contrast_wording import contrast_subject
from ablation.report.evidence import AND_HOLM, SIGNIFICANT, TONES, Record
from ablation.report.figures.contrasts import pictures
from ablation.report.wording import interval, p_value, points
from ablation.stats.levels import ALPHA
from ablation.stats.verdict import Verdict
from common.conditions import label as condition_label

TITLES: Mapping[str, str] = {LADDER: "What each rung adds", FACTORIAL: "Main effects and interactions"}
MEANINGS: Mapping[str, str] = {
    LADDER: "A rung minus the rung before, in points: a negative number means that the added part helps.",
    FACTORIAL: "Main effect: a replacement minus the original part, mean over the combinations of the other parts. Interaction: "
    "how much more a replacement changes where the other one is made, too. All in points: a positive main effect means that the "
    "replacement is worse; a negative interaction means that the parts need each other.",
}
KINDS: Mapping[Effect, str] = {Effect.RUNG: "rung", Effect.MAIN: "main effect", Effect.INTERACTION: "interaction"}


def sections(content: Content) -> list[Section]:
    """Return a section for each family of contrasts; [] without any."""
    families = list(dict.fromkeys(each.family for each in content.study.contrasts))
    return [Section(TITLES[family], _blocks(content, family)) for family in families]


def _blocks(content: Content, family: str) -> list[Block]:
    named = KINDS[Effect.RUNG] if family == LADDER else "effect"
    cards = Verdicts(contrast_cards(content, family), (named, "kind"), f"Verdicts on the {named}s")
    shown: list[Block] = [cards]
    if len(content.contrasts):
        shown += [_table(content, family), *pictures(content, family)]
    return shown


def contrast_cards(content: Content, family: str) -> list[Card]:
    """Return a card per contrast, in the order of the plan."""
    found = []
    for verdict in content.contrast_verdicts:
        contrast = verdict.contrast
        if contrast.family == family:
            words = content.contrast_sentences[contrast.family, contrast.name]
            tone = _tone(contrast, verdict.verdict)
            found.append(Card(contrast.name, KINDS[contrast.kind], "", words.claim, words.evidence, tone))
    return found


def _tone(contrast: Contrast, verdict: Overall) -> str:
    """An interaction is neither better nor worse, whatever its sign."""
    tone = TONES[verdict]
    return "mixed" if contrast.kind == Effect.INTERACTION and tone in ("worse", "better") else tone


def _table(content: Content, family: str) -> Table:
    rows: list[Row] = []
    found = {(row["contrast"], row["condition"]): row for row in content.contrasts.to_dict("records")}
    for contrast in content.study.contrasts:
        if contrast.family == family:
            cells = [
                _cell(found[contrast.name, name], contrast)
                for name in content.study.conditions
                if (contrast.name, name) in found
            ]
            rows.append([Cell(contrast.name, [contrast_subject(contrast)]), *cells])
    head = [KINDS[Effect.RUNG] if family == LADDER else "effect", *map(condition_label, content.study.conditions)]
    note = (
        f"{MEANINGS[family]} With {_intervals(content)}; p by the multivariate t distribution of all rows, over "
        f"seeds, paired by seed{AND_HOLM if len(content.study.conditions) > 1 else ''}. “Worse” and “better” mark p ≤ {ALPHA:g} "
        "and mean more and fewer errors."
    )
    if family == FACTORIAL:
        note += " For interactions, “need each other” and “stand in” mark the same level."
    return Table(TITLES[family], head, rows, note=note)


def _intervals(content: Content) -> str:
    said = "95 % confidence intervals, simultaneous over the rows"
    return said if content.study.looks is None else f"{said}, that hold over all looks"


def _cell(row: Record, contrast: Contrast) -> Cell:
    word = _word(contrast, row["verdict"]) if row["verdict"] in SIGNIFICANT else ""
    p = p_value(row["p_adjusted"])
    said = [p, word] if contrast.kind == Effect.INTERACTION else [", ".join(filter(None, [p, word]))]
    notes: Sequence[str] = [interval(row["diff_low"], row["diff_high"], points), *said]
    return Cell(points(row["difference"]), [note for note in notes if note], _tone(contrast, Overall(row["verdict"])))


def _word(contrast: Contrast, verdict: Verdict) -> str:
    if contrast.kind != Effect.INTERACTION:
        return str(verdict)
    if len(contrast.changes) > 2:
        return "not independent"
    return "need each other" if verdict == Verdict.BETTER else "stand in"
