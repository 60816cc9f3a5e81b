"""A report as a LaTeX document whose tables can be taken over into a paper as they are; it needs booktabs and no more."""

from collections.abc import Iterable, Sequence

from ablation.report.blocks import (
    Alignment,
    Block,
    Card,
    Document,
    Pictures,
    Row,
    Table,
    Text,
    Verdicts,
    cell,
    in_words,
)
from ablation.report.latex_text import escape

PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage[margin=2cm]{geometry}
\usepackage{array,booktabs,longtable}
\IfFileExists{lmodern.sty}{\usepackage[T1]{fontenc}\usepackage{lmodern}}{}
\setlength{\parindent}{0pt}\setlength{\parskip}{.5em}\setlength{\tabcolsep}{4pt}
\setlength{\LTleft}{0pt}\setlength{\LTright}{0pt plus 1fill}
\setlength{\emergencystretch}{3em}
\newcommand{\stacked}[1]{\begin{tabular}[t]{@{}r@{}}#1\end{tabular}}
"""
NEW_LINE = r"\newline "
WIDTH_CM, HEAD_CM, FIGURE_CM = 16.6, 3.2, 2.1


def to_latex(document: Document) -> str:
    """The whole report but its pictures."""
    facts = "; ".join(f"{escape(label.lower())}: {escape(text)}" for label, text in document.facts)
    parts = [f"{PREAMBLE}\\begin{{document}}", rf"{{\Large\bfseries {escape(document.title)}\par}}"]
    parts.append(rf"{escape(document.kind)} \textbf{{{escape(document.name)}}}. {facts}")
    for section in in_words(document.sections):
        blocks = [text for block in section.blocks if (text := _block(block))]
        parts += [rf"\section*{{{escape(section.title)}}}", *blocks] if blocks else []
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _block(block: Block) -> str:
    match block:
        case Text(paragraphs, small):
            return "\n\n".join(_small(text) if small else escape(text) for text in paragraphs)
        case Verdicts(cards):
            return _verdicts(cards)
        case Table():
            return _table(block)
        case Alignment():
            return _alignment(block)
        case Pictures():
            return ""


def _small(text: str) -> str:
    return rf"{{\small {escape(text)}\par}}" if text else ""


def _table(block: Table) -> str:
    """Tables of figures that are too wide come in pieces, each with the first column."""
    width = len(block.rows[0]) if block.rows else len(block.head)
    pieces = [tuple(range(width))] if block.prose else _packed([_width_cm(block, column) for column in range(width)])
    return "\n\n".join([*(_piece(block, piece) for piece in pieces), *filter(None, [_small(block.note)])])


def _width_cm(block: Table, column: int) -> float:
    """About how wide a column of figures is set."""
    cells = [cell(row[column]) for row in block.rows]
    widths = [0.19 * len(value.text) for value in cells] + [0.13 * len(note) for value in cells for note in value.notes]
    return max([*widths, 0.19 * len(block.head[column] if block.head else "")]) + 0.3


def _packed(widths_cm: Sequence[float]) -> list[tuple[int, ...]]:
    """Columns in as many pieces as it takes, each with the first column."""
    pieces, used = [[0]], HEAD_CM
    for column, width in enumerate(widths_cm[1:], 1):
        if used + width > WIDTH_CM and len(pieces[-1]) > 1:
            pieces, used = [*pieces, [0]], HEAD_CM
        pieces[-1].append(column)
        used += width
    return [tuple(piece) for piece in pieces]


def _piece(block: Table, columns: Sequence[int]) -> str:
    texts = [column for column in columns[1:] if column in block.prose]
    left_cm = WIDTH_CM - HEAD_CM - FIGURE_CM * (len(columns) - 1 - len(texts))
    kinds = [_prose(left_cm / len(texts)) if column in texts else "r" for column in columns[1:]]
    head = [escape(block.head[column]) for column in columns] if block.head else []
    rows = [[_cell(row, column, column in texts) for column in columns] for row in block.rows]
    return _longtable([_prose(HEAD_CM), *kinds], head, rows)


def _prose(width_cm: float) -> str:
    return rf">{{\raggedright\arraybackslash}}p{{{width_cm:.1f}cm}}"


def _cell(row: Row, column: int, prose: bool) -> str:
    value = cell(row[column])
    if not value.notes:
        return escape(value.text)
    notes = [rf"\scriptsize {escape(note)}" for note in value.notes]
    if column == 0 or prose:
        return NEW_LINE.join([escape(value.text), *notes])
    stacked = r" \\ ".join([escape(value.text), *notes])
    return rf"\stacked{{{stacked}}}"


def _longtable(kinds: Sequence[str], head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [rf"\begin{{longtable}}{{@{{}}{''.join(kinds)}@{{}}}}", r"\toprule"]
    if head:
        lines += [rf"{' & '.join(head)} \\", r"\midrule", r"\endhead"]
    lines += [r"\bottomrule", r"\endfoot"]
    return "\n".join([*lines, *(rf"{' & '.join(row)} \\[2pt]" for row in rows), r"\end{longtable}"])


def _verdicts(cards: Sequence[Card]) -> str:
    names = list(dict.fromkeys(name for card in cards for name, _ in card.wers))
    rows = []
    for card in cards:
        rates = dict(card.wers)
        claim = escape(card.claim) if card.tone == "base" else rf"\textbf{{{escape(card.claim)}}}"
        said = NEW_LINE.join([claim, *map(escape, card.evidence)])
        asked = NEW_LINE.join([escape(card.change), *filter(None, [_why(card)])])
        rows.append([escape(card.name), asked, *(escape(rates.get(name, "–")) for name in names), said])
    left_cm = WIDTH_CM - 2.8 - 1.5 * len(names)
    kinds = [_prose(2.8), _prose(0.42 * left_cm), *"r" * len(names), _prose(0.58 * left_cm)]
    return _longtable(kinds, ["arm", "in place of the baseline's", *names, "verdict"], rows)


def _why(card: Card) -> str:
    return rf"{{\small\itshape {escape(card.why)}}}" if card.why else ""


def _alignment(block: Alignment) -> str:
    groups = [block.lines[start : start + block.group] for start in range(0, len(block.lines), block.group)]
    parts = [rf"\begin{{minipage}}{{\linewidth}}\medskip {escape(block.title)}\par\smallskip\footnotesize"]
    for lines in groups:
        rows = [" & ".join([escape(label), *map(escape, words)]) + r" \\" for label, words in lines]
        columns = "l" * len(lines[0][1])
        parts.append(
            "\n".join([rf"\begin{{tabular}}{{@{{}}{_prose(HEAD_CM)}{columns}@{{}}}}", *rows, r"\end{tabular}\par"])
        )
    return "\n".join([*parts, r"\end{minipage}"])
