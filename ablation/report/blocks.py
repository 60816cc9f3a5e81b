"""The blocks of a report. Every format (HTML, Markdown, LaTeX) is written from the same blocks, so that all agree.

All text is plain: each format escapes it in its own way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ablation.report.figures.spec import Figure


@dataclass(frozen=True)
class Cell:
    """A cell of a table, with smaller lines underneath. `tone` may colour it; the words say the same."""

    text: str
    notes: Sequence[str] = ()
    tone: str = ""
    link: str = ""


Row = Sequence[Cell | str]


@dataclass(frozen=True)
class Table:
    """Rows whose first cell is their head; columns with a number in `prose` hold running text, the others numbers."""

    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    prose: frozenset[int] = frozenset()
    note: str = ""

    @property
    def has_notes(self) -> bool:
        """True if a cell besides the heads of rows has lines underneath."""
        return any(cell(value).notes for row in self.rows for value in row[1:])


@dataclass(frozen=True)
class Text:
    """Paragraphs; `small` for remarks."""

    paragraphs: Sequence[str]
    small: bool = False


@dataclass(frozen=True)
class Card:
    """A verdict: the arm, its change, why it was tested, the claim, then the evidence; `wers` are rates of `metric` by label."""

    name: str
    change: str
    why: str
    claim: str
    evidence: Sequence[str]
    tone: str
    wers: Sequence[tuple[str, str]] = ()
    metric: str = "WER"


@dataclass(frozen=True)
class Verdicts:
    """One card per arm or contrast. In tables, `head` names its name and its change, and `title` is the caption."""

    cards: Sequence[Card]
    head: tuple[str, str] = ("arm", "change to the baseline")
    title: str = "Verdicts"


@dataclass(frozen=True)
class Alignment:
    """Texts word by word in columns: (label, words) per line, in groups of `group` lines that belong together.

    The first line of each group is the reference.
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
    """A heading and the blocks under it. A phone shows those of a `detail` on demand."""

    title: str
    blocks: Sequence[Block]
    detail: bool = False


@dataclass(frozen=True)
class Document:
    """A whole report: its subject, key facts as label and text, and the sections in order.

    `link` is the address of the study in MLflow; empty if it has none. The first `lead` sections are the result in short.
    """

    kind: str
    name: str
    title: str
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default_factory=tuple)
    link: str = ""
    lead: int = 1


def cell(value: Cell | str) -> Cell:
    """Return plain text as a cell, and a cell as itself."""
    return value if isinstance(value, Cell) else Cell(value)


def in_words(sections: Sequence[Section]) -> list[Section]:
    """Return the sections that have content without their pictures; remarks on pictures alone do not count."""
    return [
        section
        for section in sections
        if not any(isinstance(block, Pictures) for block in section.blocks)
        or any(not isinstance(block, Pictures | Text) for block in section.blocks)
    ]
