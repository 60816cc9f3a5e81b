"""Headings, lines and tables of a Markdown text, with their line numbers and without emphasis and code marks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

# Plans are often indented by more than Markdown allows, so indented code is read as text. Fences and HTML are gone already.
PARSER = MarkdownIt("commonmark").enable("table").disable(["code", "fence", "html_block", "html_inline", "reference"])
MATHEMATICS = "±×÷¬′″‰\u02b0-\u02ff\u2200-\u22ff\u27c0-\u27ef\u2a00-\u2aff"  # which begin a formula
DECORATION = re.compile(
    rf"\[[ xX]\]\s+|(?:[^\w\s!-/:-@\[-`{{-~«»‘’“”§°–—−{MATHEMATICS}]|\ufe0f)+\s*"
)  # a check box, an emoji, an arrow
COMPARISON = re.compile(
    r"^(\s*(?:[-*+]|\d{1,3}[.)])\s+)(?=>\s*=?\s*[\d.])", re.MULTILINE
)  # an item such as `>80`, no quotation
MARKER = re.compile(r"(?:[-*+]|\d{1,3}[.)])\s+")


@dataclass(frozen=True)
class Line:
    """One line of a paragraph. `strong` is the bold text at its start, `depth` the number of list items around it.

    `item` says that the line starts a list item, `first` that it starts a paragraph.
    """

    number: int
    text: str
    strong: str = ""
    depth: int = 0
    item: bool = False
    first: bool = True


@dataclass(frozen=True)
class Heading:
    """A heading of `level` 1 to 6."""

    number: int
    text: str
    level: int


@dataclass(frozen=True)
class Table:
    """A table. Each row is its line number and its cells; the first row is the header."""

    rows: list[tuple[int, list[str]]]


Block = Line | Heading | Table


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a text in their order."""
    depth, table = 0, list[tuple[int, list[str]]]()
    last = [Token("", "", 0)] * 2  # the two tokens before
    for token in PARSER.parse(COMPARISON.sub(r"\1\\", text)):
        if token.type in ("list_item_open", "list_item_close"):
            depth += token.nesting
        elif token.type == "tr_open" and token.map:
            table.append((token.map[0] + 1, []))
        elif token.type == "table_close":
            yield Table(table)
            table = []
        elif token.type == "inline" and last[1].type in ("th_open", "td_open"):
            table[-1][1].append(" ".join(text for text, _ in _lines(token)))
        elif token.type == "inline":
            yield from _of_paragraph(token, last[1], depth, item=last[0].type == "list_item_open")
        last = [last[1], token]


def _of_paragraph(token: Token, opening: Token, depth: int, *, item: bool) -> Iterator[Block]:
    """Yield the lines of a paragraph or heading. Of a heading that is underlined only the last line is the heading."""
    lines, start = _lines(token), (token.map or [0])[0] + 1
    for place, (text, strong) in enumerate(lines):
        if opening.type == "heading_open" and place == len(lines) - 1:
            yield Heading(start + place, text, int(opening.tag[1]))
        elif place and (marker := MARKER.match(text)):  # a list that Markdown does not see, as it starts at 2
            rest = text[marker.end() :]
            yield Line(start + place, rest, strong if rest.startswith(strong) else "", depth + 1, item=True)
        else:
            yield Line(start + place, text, strong, depth, item and not place, not place)


def _lines(token: Token) -> list[tuple[str, str]]:
    """Return the lines of a text, each with the bold text at its start."""
    lines, strong, bold, product = [""], [""], False, False
    for child in token.children or []:
        if child.type in ("softbreak", "hardbreak"):
            lines.append("")
            strong.append("")
        elif child.type in ("strong_open", "strong_close"):
            bold = child.nesting > 0
        elif (child.type == "em_open" and re.search(r"[\w)\]]$", lines[-1])) or (product and child.type == "em_close"):
            product = child.nesting > 0  # the stars of `a*b + c*d` are no emphasis
            lines[-1] += child.markup
        else:
            before, lines[-1] = lines[-1], lines[-1] + child.content
            if bold and before.strip() == strong[-1].strip():
                strong[-1] = lines[-1]
            if (mark := DECORATION.match(lines[-1])) and not strong[-1]:
                lines[-1] = lines[-1][mark.end() :]
    return [(line.strip(), bold.strip()) for line, bold in zip(lines, strong, strict=True)]
