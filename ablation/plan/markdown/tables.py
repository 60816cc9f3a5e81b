"""Tables of fields: one ablation a row under a header of names, or one a column beside a first column of names."""

from ablation.plan.markdown import names
from ablation.plan.markdown.blocks import Line, Table
from ablation.plan.markdown.names import ACTION, PART, REPLACEMENT, Field
from ablation.plan.markdown.problems import Problems

Stated = list[tuple[Line, Field]]


def ablations(table: Table, problems: Problems) -> list[tuple[int, str, Stated]] | None:
    """Return line, title and fields of every ablation of a table, or None for a table of other things."""
    header, *body = table.rows
    if _are_names(header[1]):
        return [
            _ablation(number, list(zip(header[1], cells, strict=False)), header[0], problems) for number, cells in body
        ]
    if not _are_names([cells[0] for _, cells in table.rows if cells]):
        return None
    rows = table.rows if _is_name(header[1][0]) else body
    titles = header[1] if rows is body else [""] * len(header[1])
    single = len(header[1]) == 2
    found = []
    for column in range(1, len(header[1])):
        stated = [(number, cells[0], cells[column]) for number, cells in rows if len(cells) > column]
        lines = [each for number, name, cell in stated for each in _field(number, name, cell, number, problems)]
        found.append((rows[0][0], "" if single else titles[column], lines))
    return found


def _are_names(cells: list[str]) -> bool:
    found = {names.known_name(cell) or names.weak_name(cell) for cell in cells}
    return len(found & {PART, ACTION, REPLACEMENT}) > 1 and PART in found


def _is_name(cell: str) -> bool:
    return bool(names.known_name(cell) or names.weak_name(cell) not in (None, names.TITLE))


def _ablation(number: int, pairs: list[tuple[str, str]], header: int, problems: Problems) -> tuple[int, str, Stated]:
    titles = [cell for name, cell in pairs if not names.known_name(name) and names.weak_name(name) == names.TITLE]
    words = [title for title in titles if not title.strip().isdecimal()]
    stated = [each for name, cell in pairs for each in _field(number, name, cell, header, problems)]
    return number, " ".join(words), stated


def _field(number: int, name: str, cell: str, named_at: int, problems: Problems) -> Stated:
    known = names.known_name(name) or names.weak_name(name)
    if known is None:
        problems.add(named_at, names.unknown(name))
    if known in (None, names.TITLE):
        return []
    return [(Line(number, cell), Field(name, cell.strip(" ;"), known, marked=True))]
