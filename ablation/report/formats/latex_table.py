"""Tables of a report in LaTeX by booktabs: floats with caption where they fit on a page, else over several pages."""

from collections.abc import Sequence

from ablation.report.blocks import Row, Table, cell
from ablation.report.formats.latex_text import escape

NEW_LINE = r"\newline "
WIDTH_CM, HEAD_CM, FIGURE_CM = 17.1, 3.2, 2.1
CHARACTER_CM, SMALL_CHARACTER_CM, BETWEEN_CM = 0.19, 0.123, 0.3
PAGE_LINES = 52


def table(block: Table) -> str:
    """Tables of figures that are too wide come in pieces, each with the first column. The note stands below."""
    width = len(block.rows[0]) if block.rows else len(block.head)
    pieces = [tuple(range(width))] if block.prose else _packed([_width_cm(block, column) for column in range(width)])
    parts = [_piece(block, piece, place, len(pieces)) for place, piece in enumerate(pieces, 1)]
    return "\n\n".join(parts)


def prose(width_cm: float) -> str:
    """A column of running text."""
    return rf">{{\raggedright\arraybackslash}}p{{{width_cm:.1f}cm}}"


def set_table(
    caption: str, kinds: Sequence[str], head: Sequence[str], rows: Sequence[Sequence[str]], lines: int, note: str = ""
) -> str:
    """Cells that are LaTeX already. `lines` is about how many lines they take; more than a page's make a `longtable`."""
    columns, title = f"{{@{{}}{''.join(kinds)}@{{}}}}", rf"\caption{{{escape(caption)}}}"
    top = [r"\toprule", *([rf"{' & '.join(head)} \\", r"\midrule"] if head else [])]
    body = [rf"{' & '.join(row)} \\[2pt]" for row in rows]
    below = rf"{{\small {escape(note)}\par}}" if note else ""
    if lines > PAGE_LINES:
        start = [rf"\begin{{longtable}}{columns}", rf"{title}\\", *top, r"\endfirsthead", *top, r"\endhead"]
        return "\n".join([*start, r"\bottomrule", r"\endfoot", *body, r"\end{longtable}", *filter(None, [below])])
    start = [r"\begin{table}", title, rf"\begin{{tabular}}{columns}", *top]
    end = [r"\bottomrule", r"\end{tabular}", *([r"\par\smallskip", below] if below else []), r"\end{table}"]
    return "\n".join([*start, *body, *end])


def _width_cm(block: Table, column: int) -> float:
    """About how wide a column of figures is set."""
    cells = [cell(row[column]) for row in block.rows]
    widths = [CHARACTER_CM * len(value.text) for value in cells]
    widths += [SMALL_CHARACTER_CM * len(note) for value in cells for note in value.notes]
    return max([*widths, CHARACTER_CM * len(block.head[column] if block.head else "")]) + BETWEEN_CM


def _packed(widths_cm: Sequence[float]) -> list[tuple[int, ...]]:
    """Columns in as many pieces as it takes, each with the first column."""
    pieces, used = [[0]], HEAD_CM
    for column, width in enumerate(widths_cm[1:], 1):
        if used + width > WIDTH_CM and len(pieces[-1]) > 1:
            pieces, used = [*pieces, [0]], HEAD_CM
        pieces[-1].append(column)
        used += width
    return [tuple(piece) for piece in pieces]


def _piece(block: Table, columns: Sequence[int], number: int, of: int) -> str:
    texts = [column for column in columns[1:] if column in block.prose]
    left_cm = WIDTH_CM - HEAD_CM - BETWEEN_CM * (len(columns) - 1) - FIGURE_CM * (len(columns) - 1 - len(texts))
    kinds = [prose(left_cm / len(texts)) if column in texts else "r" for column in columns[1:]]
    head = [escape(block.head[column]) for column in columns] if block.head else []
    rows = [[_cell(row, column, column in texts) for column in columns] for row in block.rows]
    lines = sum(max(1 + len(cell(row[column]).notes) for column in columns) for row in block.rows)
    caption = f"{block.title}{f' ({number} of {of})' if of > 1 else ''}."
    return set_table(caption, [prose(HEAD_CM), *kinds], head, rows, lines, block.note if number == of else "")


def _cell(row: Row, column: int, is_prose: bool) -> str:
    value = cell(row[column])
    if not value.notes:
        return escape(value.text)
    notes = [rf"\scriptsize {escape(note)}" for note in value.notes]
    if column == 0 or is_prose:
        return NEW_LINE.join([escape(value.text), *notes])
    stacked = r" \\ ".join([escape(value.text), *notes])
    return rf"\stacked{{{stacked}}}"
