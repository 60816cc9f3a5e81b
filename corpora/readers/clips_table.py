"""clips.csv: the clips of a folder with their speakers and words, one per row. Every fault is named with its line.

Columns: file, speaker, clip, transcript, and sha256 if it is known. Their names may have capitals and spaces around them. Commas,
semicolons or tabs separate the fields. Blank lines are skipped.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from common.errors import UserError
from corpora.readers.text_files import read_text

COLUMNS = ("file", "speaker", "clip", "transcript")
SHA256 = "sha256"
LONGEST_FIELD = 10_000  # characters; a clip of ten minutes has fewer
_SEPARATORS = ",;\t"

Row = Mapping[str, str]


def find_table(folder: Path) -> Path | None:
    """Return the table of a folder, clips.csv in any case; None if it has none."""
    named = [path for path in sorted(folder.iterdir()) if path.name.lower() == "clips.csv" and path.is_file()]
    return named[0] if named else None


def read_table(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the number of the line and the fields of every row. Raises UserError with the line for the first fault."""
    text = read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    names: list[str] | None = None
    line = 0
    try:
        for fields in reader:
            first, line = line + 1, reader.line_num
            if not any(field.strip() for field in fields):
                continue
            if names is None:
                names = _names(path, fields)
                continue
            row = dict(zip(names, fields, strict=False))
            if fault := _fault(names, fields, row):
                raise UserError(f"line {first} of {path} {fault}")
            yield first, row
    except csv.Error as error:
        raise UserError(f"line {line + 1} of {path} is not a row of a CSV file, {_reason(error)}") from error
    if names is None:
        raise UserError(f"clips.csv needs a first line `{','.join(COLUMNS)}`; {path} is empty: add it")


def _reason(error: csv.Error) -> str:
    if "field limit" in str(error):
        return f"a field has more than {LONGEST_FIELD} characters: shorten it, or correct its quotes"
    return f"{error}: correct its quotes"


def _separator(text: str) -> str:
    """Return the separator of a table's first line that is not blank: the one that gives it the most columns."""
    header = next((line for line in re.split(r"[\r\n]+", text) if line.strip()), "")
    return max(_SEPARATORS, key=header.count)


def _names(path: Path, fields: list[str]) -> list[str]:
    names = [field.strip().lower() for field in fields]
    if missing := [name for name in COLUMNS if name not in names]:
        raise UserError(
            f"clips.csv needs the columns {', '.join(COLUMNS)}; {path} lacks {', '.join(missing)}: add them"
        )
    for name in (*COLUMNS, SHA256):
        if names.count(name) > 1:
            raise UserError(f"clips.csv has every column once; {path} has {name} {names.count(name)} times: remove one")
    return names


def _fault(names: list[str], fields: list[str], row: Row) -> str | None:
    """Return what is wrong with a row, after `line N of FILE`; None if nothing is."""
    if len(fields) != len(names):
        return f"has {len(fields)} fields, and the first line has {len(names)}: correct it (a comma in a text needs quotes)"
    for name in COLUMNS:
        if len(row[name]) > LONGEST_FIELD:
            return f"has {len(row[name])} characters in {name}, more than {LONGEST_FIELD}: correct it"
        if not row[name].strip() and name != "transcript":
            return f"has an empty {name}: fill it in"
        if control := next((c for c in row[name] if unicodedata.category(c) == "Cc" and not _is_space(name, c)), None):
            return f"has the control character U+{ord(control):04X} in {name}: remove it"
    if (known := row.get(SHA256, "").strip()) and not re.fullmatch("[0-9a-fA-F]{64}", known):
        return f"has the sha256 {known[:20]!r}, which is not 64 hex digits: correct it, or leave the field empty"
    return None


def _is_space(name: str, character: str) -> bool:
    return name == "transcript" and character.isspace()
