"""A report as a LaTeX document whose tables and figures can be taken over into a paper as they are."""

from collections.abc import Sequence

from ablation.report.blocks import Alignment, Block, Card, Document, Pictures, Section, Table, Text, Verdicts
from ablation.report.formats.latex_picture import colours, figures
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

PREAMBLE = r"""% For a paper: take over array, booktabs, longtable and \stacked for tables, TikZ and the colours for figures.
% Without TikZ this compiles, too, and has no figures. Training curves have too many points: report.html has them.
\documentclass[10pt,a4paper]{article}
\usepackage[margin=1.8cm]{geometry}
\usepackage{array,booktabs,longtable}
\IfFileExists{lmodern.sty}{\usepackage[T1]{fontenc}\usepackage{lmodern}}{}
\IfFileExists{float.sty}{\usepackage{float}\floatplacement{table}{H}\floatplacement{figure}{H}}{}
\IfFileExists{tikz.sty}{\usepackage{tikz}}{}
\setlength{\parindent}{0pt}\setlength{\parskip}{.5em}\setlength{\tabcolsep}{4pt}
\setlength{\LTleft}{0pt}\setlength{\LTright}{0pt plus 1fill}
\setlength{\emergencystretch}{3em}
\newcommand{\stacked}[1]{\begin{tabular}[t]{@{}r@{}}#1\end{tabular}}
"""


def to_latex(document: Document) -> str:
    """The whole report but pictures that need a screen."""
    facts = "; ".join(f"{escape(label.lower())}: {escape(text)}" for label, text in document.facts)
    parts = [f"{PREAMBLE}\\ifdefined\\tikz\n{colours()}\n\\fi\n\\begin{{document}}"]
    parts.append(rf"{{\Large\bfseries {escape(document.title)}\par}}")
    parts.append(rf"{escape(document.kind)} \textbf{{{escape(document.name)}}}. {facts}")
    for section in filter(_printed, document.sections):
        blocks = [text for block in section.blocks if (text := _block(block))]
        parts += [rf"\section*{{{escape(section.title)}}}", *blocks] if blocks else []
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _printed(section: Section) -> bool:
    """Whether more is left than remarks on pictures that are left out."""
    pictures = [block for block in section.blocks if isinstance(block, Pictures)]
    rest = [block for block in section.blocks if not isinstance(block, Pictures | Text)]
    return not pictures or bool(rest) or not all(block.screen_only for block in pictures)


def _block(block: Block) -> str:
    match block:
        case Text(paragraphs, small):
            return "\n\n".join(_small(text) if small else escape(text) for text in paragraphs)
        case Verdicts(cards):
            return _verdicts(cards)
        case Table():
            return table(block)
        case Alignment():
            return _alignment(block)
        case Pictures():
            return "" if block.screen_only else f"\\ifdefined\\tikz\n{figures(block)}\n\\fi"


def _small(text: str) -> str:
    return rf"{{\small {escape(text)}\par}}" if text else ""


def _verdicts(cards: Sequence[Card]) -> str:
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
    head = ["arm", "change to the baseline", *(f"{cards[0].metric} {escape(name)}" for name in names), "verdict"]
    return set_table("Verdicts.", kinds, head, rows, PAGE_LINES * len(rows) // 10)


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
