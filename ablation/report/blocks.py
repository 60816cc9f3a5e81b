"""What a report is made of, before it is HTML, Markdown or LaTeX: every format is written from these, so that all agree.

All text is plain: each format escapes it in its own way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ablation.report.figures.spec import Figure


@dataclass(frozen=True)
class Cell:
    """A cell of a table, with smaller lines underneath. `tone` may colour it; what it says stands in the words, too."""

    text: str
    notes: Sequence[str] = ()
    tone: str = ""
    link: str = ""


Row = Sequence[Cell | str]


@dataclass(frozen=True)
class Table:
    """Rows whose first cell is their head; columns with a number in `prose` hold running text, the others figures."""

    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    prose: frozenset[int] = frozenset()
    note: str = ""


@dataclass(frozen=True)
class Text:
    """Paragraphs; `small` for remarks."""

    paragraphs: Sequence[str]
    small: bool = False


@dataclass(frozen=True)
class Card:
    """A verdict: whose, what it changes and why it was asked, the claim in a few words, then what stands behind it."""

    name: str
    change: str
    why: str
    claim: str
    evidence: Sequence[str]
    tone: str
    wers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Verdicts:
    """One card per arm."""

    cards: Sequence[Card]


@dataclass(frozen=True)
class Alignment:
    """Texts word by word in columns: (label, words) per line, in groups of `group` lines that belong together.

    The first line of each is the reference.
    """

    title: str
    lines: Sequence[tuple[str, Sequence[str]]]
    group: int = 3


@dataclass(frozen=True)
class Picture:
    """A figure and its caption."""

    figure: Figure
    caption: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures that share a legend of (label, series number) and a title; `small` ones are three in a row on the page.

    LaTeX leaves out those that are `screen_only`: there are too many of them for paper.
    """

    pictures: Sequence[Picture]
    legend: Sequence[tuple[str, int]] = ()
    small: bool = False
    title: str = ""
    screen_only: bool = False


Block = Table | Text | Verdicts | Alignment | Pictures


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A whole report: what it is about, the facts at a glance as label and text, and the sections in order.

    `link` is where the study opens in MLflow; empty where it has no address.
    """

    kind: str
    name: str
    title: str
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default_factory=tuple)
    link: str = ""


def cell(value: Cell | str) -> Cell:
    """Plain text as a cell."""
    return value if isinstance(value, Cell) else Cell(value)


def in_words(sections: Sequence[Section]) -> list[Section]:
    """The sections that say something without their pictures; remarks on pictures alone do not."""
    return [
        section
        for section in sections
        if not any(isinstance(block, Pictures) for block in section.blocks)
        or any(not isinstance(block, Pictures | Text) for block in section.blocks)
    ]
