"""A report as a LaTeX document. Its tables and figures can be used in a paper unchanged."""

from collections.abc import Iterator
from itertools import count

from ablation.report.blocks import Alignment, Block, Card, Document, Pictures, Section, Table, Text, Verdicts
from ablation.report.figures.pdf import to_pdf
from ablation.report.formats.latex_figures import floats, include
from ablation.report.formats.latex_table import (
    BETWEEN_CM,
    HEAD_CM,
    NEW_LINE,
    PAGE_LINES,
    WIDTH_CM,
    prose,
    set_table,
    table,
)
from ablation.report.formats.latex_text import escape

FIGURES = "report-figures.pdf"
PREAMBLE = r"""% For a paper: take over array, booktabs, longtable and \stacked for tables, graphicx and \figurepage for figures.
% The figures are the pages of the file that \figurepage names; it has to be next to this document.
\documentclass[10pt,a4paper]{article}
\usepackage[margin=1.8cm]{geometry}
\usepackage{array,booktabs,longtable,graphicx}
\IfFileExists{lmodern.sty}{\usepackage[T1]{fontenc}\usepackage{lmodern}}{}
\IfFileExists{float.sty}{\usepackage{float}\floatplacement{table}{H}\floatplacement{figure}{H}}{}
\setlength{\parindent}{0pt}\setlength{\parskip}{.5em}\setlength{\tabcolsep}{4pt}
\setlength{\LTleft}{0pt}\setlength{\LTright}{0pt plus 1fill}
\setlength{\emergencystretch}{3em}
\newcommand{\stacked}[1]{\begin{tabular}[t]{@{}r@{}}#1\end{tabular}}
\newcommand{\figurepage}[1]{\includegraphics[page=#1]{FIGURES}}
""".replace("FIGURES", FIGURES)


def to_latex(document: Document) -> str:
    """Return the whole report except figures that need a screen. It includes the pages of `figures_pdf` as `FIGURES`."""
    facts = "; ".join(f"{escape(label.lower())}: {escape(text)}" for label, text in document.facts)
    parts = [f"{PREAMBLE}\n\\begin{{document}}"]
    parts.append(rf"{{\Large\bfseries {escape(document.title)}\par}}")
    parts.append(rf"{escape(document.kind)} \textbf{{{escape(document.name)}}}. {facts}")
    numbers = count(1)
    for section in filter(_printed, document.sections):
        blocks = [text for block in section.blocks if (text := _block(block, numbers))]
        parts += [rf"\section*{{{escape(section.title)}}}", *blocks] if blocks else []
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def figures_pdf(document: Document) -> bytes | None:
    """Return the figures of `to_latex`, a page for each float; None for a document without figures."""
    blocks = [block for section in filter(_printed, document.sections) for block in section.blocks]
    pages = [one.page for block in blocks if isinstance(block, Pictures) for one in floats(block)]
    return to_pdf(pages) if pages else None


def _printed(section: Section) -> bool:
    """Return False where only remarks on figures are left that need a screen."""
    pictures = [block for block in section.blocks if isinstance(block, Pictures)]
    rest = [block for block in section.blocks if not isinstance(block, Pictures | Text)]
    return not pictures or bool(rest) or not all(block.screen_only for block in pictures)


def _block(block: Block, numbers: Iterator[int]) -> str:
    match block:
        case Text(paragraphs, small):
            return "\n\n".join(_small(text) if small else escape(text) for text in paragraphs)
        case Verdicts():
            return _verdicts(block)
        case Table():
            return table(block)
        case Alignment():
            return _alignment(block)
        case Pictures():
            return include(floats(block), numbers)


def _small(text: str) -> str:
    return rf"{{\small {escape(text)}\par}}" if text else ""


def _verdicts(block: Verdicts) -> str:
    cards = block.cards
    names = list(dict.fromkeys(name for card in cards for name, _ in card.wers))
    rows = []
    for card in cards:
        rates = dict(card.wers)
        claim = escape(card.claim) if card.tone == "base" else rf"\textbf{{{escape(card.claim)}}}"
        said = NEW_LINE.join([claim, *map(escape, card.evidence)])
        asked = NEW_LINE.join([escape(card.change), *filter(None, [_why(card)])])
        rows.append([escape(card.name), asked, *(escape(rates.get(name, "–")) for name in names), said])
    left_cm = WIDTH_CM - 2.8 - 2.2 * len(names) - BETWEEN_CM * (len(names) + 2)
    kinds = [prose(2.8), prose(0.42 * left_cm), *"r" * len(names), prose(0.58 * left_cm)]
    head = [*block.head, *(f"{cards[0].metric} {escape(name)}" for name in names), "verdict"]
    return set_table(f"{block.title}.", kinds, head, rows, PAGE_LINES * len(rows) // 10)


def _why(card: Card) -> str:
    return rf"{{\small\itshape {escape(card.why)}}}" if card.why else ""


def _alignment(block: Alignment) -> str:
    groups = [block.lines[start : start + block.group] for start in range(0, len(block.lines), block.group)]
    parts = [rf"\begin{{minipage}}{{\linewidth}}\medskip {escape(block.title)}\par\smallskip\footnotesize"]
    for lines in groups:
        rows = [" & ".join([escape(label), *map(escape, words)]) + r" \\" for label, words in lines]
        columns = "l" * len(lines[0][1])
        parts.append(
            "\n".join([rf"\begin{{tabular}}{{@{{}}{prose(HEAD_CM)}{columns}@{{}}}}", *rows, r"\end{tabular}\par"])
        )
    return "\n".join([*parts, r"\end{minipage}"])
