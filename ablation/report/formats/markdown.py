"""A report as Markdown. Text of users is escaped: a `|` does not break a table, and their markup is shown as text."""

import re
import urllib.parse
from collections.abc import Iterable, Sequence

from ablation.report.blocks import (
    Alignment,
    Block,
    Card,
    Cell,
    Document,
    Pictures,
    Section,
    Table,
    Text,
    Verdicts,
    cell,
    in_words,
)

IN_ADDRESSES = "/:?#@!$&'*+,;=%~[]"


def escape(text: object) -> str:
    """Escape a text so that nothing in it is markup, and put it on one line."""
    plain = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_{}\[\]#|~$])", r"\\\1", plain)


def to_markdown(document: Document) -> str:
    """Write the whole report without its pictures."""
    parts = [headline(document).rstrip()]
    parts += [link("Open the study in MLflow", document.link)] if document.link else []
    parts += _sections(in_words(document.sections[document.lead :]))
    return "\n\n".join(parts) + "\n"


def headline(document: Document) -> str:
    """Write title, key facts and the leading sections: short enough for the page of a run."""
    facts = ", ".join(f"{escape(label.lower())} {escape(text)}" for label, text in document.facts)
    first = document.sections[: document.lead]
    blocks = _sections(first) if len(first) > 1 else _sections(first)[1:]
    return "\n\n".join([f"# {escape(document.name)}: {escape(document.title)}", facts, *blocks]) + "\n"


def _sections(sections: Sequence[Section]) -> list[str]:
    parts = []
    for section in sections:
        blocks = [text for block in section.blocks if (text := _block(block, section.title))]
        parts += [f"## {escape(section.title)}", *blocks] if blocks else []
    return parts


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of cells that are escaped already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _block(block: Block, heading: str = "") -> str:
    match block:
        case Text(paragraphs):
            return "\n\n".join(map(escape, paragraphs))
        case Verdicts():
            return _verdicts(block)
        case Table():
            title = "" if block.title == heading else f"**{escape(block.title)}**\n\n"
            return title + _table(block)
        case Alignment(title, lines):
            width = max(len(words) for _, words in lines)
            rows = [[escape(label), *map(escape, words), *[""] * (width - len(words))] for label, words in lines]
            return f"{escape(title)}\n\n" + table([""] * (width + 1), rows)
        case Pictures():
            return ""


def _table(block: Table) -> str:
    head = [escape(name) for name in block.head] or ["what", "value"]
    rows = [[_cell(cell(value)) for value in row] for row in block.rows]
    return table(head, rows) + (f"\n\n{escape(block.note)}" if block.note else "")


def _cell(value: Cell) -> str:
    first = link(value.text, value.link) if value.link else escape(value.text)
    return "; ".join([first, *map(escape, value.notes)])


def link(text: str, address: str) -> str:
    """A link. The address is quoted, so that it ends neither the link nor the cell."""
    return f"[{escape(text)}]({urllib.parse.quote(address, safe=IN_ADDRESSES)})"


def _verdicts(block: Verdicts) -> str:
    cards = block.cards
    names = list(dict.fromkeys(name for card in cards for name, _ in card.wers))
    why = ["why"] if any(card.why for card in cards) else []
    head = [*block.head, *why, *(f"{cards[0].metric} {name}" for name in names), "verdict"]
    return table(head, [_verdict(card, names, bool(why)) for card in cards])


def _verdict(card: Card, names: Sequence[str], why: bool) -> list[str]:
    rates = dict(card.wers)
    said = "; ".join(map(escape, card.evidence))
    claim = escape(card.claim) if card.tone == "base" else f"**{escape(card.claim)}**"
    verdict = f"{claim}: {said}" if said else claim
    return [
        escape(card.name),
        escape(card.change),
        *([escape(card.why)] if why else []),
        *(rates.get(name, "–") for name in names),
        verdict,
    ]
