"""Write the tables of docs/model.md that follow from the code: `python docs/generate_model.py`.

The tables are between `<!-- generated: NAME -->` and `<!-- end -->`. With `--check`, the command writes nothing and fails
if a table is stale.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from model.composites import COMPOSITES
from model.config import EARLIER_NAMES
from model.parts import PARTS
from model.settings import Settings

DOCUMENT = Path(__file__).parent / "model.md"
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
BOUNDS = {"ge": "from", "gt": "above", "le": "up to", "lt": "below"}


def parts_table() -> str:
    """Return the table of parts."""
    return _table(("part", "decides"), [(f"`{name}`", part.description) for name, part in PARTS.items()])


def kinds_table() -> str:
    """Return the table of kinds, with the settings of each."""
    rows = [
        (f"`{part}`", f"`{name}`", kind.description, "; ".join(_short(*field) for field in _fields(kind)))
        for part, entry in PARTS.items()
        for name, kind in entry.kinds.items()
    ]
    return _table(("part", "kind", "effect", "settings"), rows)


def composites_table() -> str:
    """Return the table of composite parts, with what each kind sets."""
    rows = [
        (
            f"`{part}`",
            f"`{name}`",
            kind.description,
            ", ".join(f"`{each}` {spec['kind']}" for each, spec in kind.sets.items()),
        )
        for part, entry in COMPOSITES.items()
        for name, kind in entry.kinds.items()
    ]
    return _table(("composite part", "kind", "effect", "sets"), rows)


def settings_table() -> str:
    """Return the table of all settings except parts, with the defaults of the preset `tiny`."""
    groups = [(name, field.annotation) for name, field in Settings.model_fields.items() if name != "parts"]
    rows = [
        (f"`{group}.{name}`", _type(field.annotation), _default(field), _range(field), field.description or "")
        for group, model in groups
        if isinstance(model, type) and issubclass(model, BaseModel)
        for name, field in model.model_fields.items()
    ]
    return _table(("setting", "type", "default", "range", "meaning"), rows)


def renamed_table() -> str:
    """Return the table of earlier names of settings."""
    return _table(("earlier name", "name"), [(f"`{old}`", f"`{new}`") for old, new in EARLIER_NAMES.items()])


TABLES = {
    "parts": parts_table,
    "kinds": kinds_table,
    "composites": composites_table,
    "settings": settings_table,
    "renamed": renamed_table,
}


def generated(text: str) -> str:
    """Return the document with present tables."""
    return BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", text)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', ',') for cell in line)} |\n" for line in lines)


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    return ((name, field) for name, field in model.model_fields.items() if name != "kind")


def _short(name: str, field: FieldInfo) -> str:
    notes = ", ".join(note for note in (_range(field), field.description) if note)
    return f"`{name}`: {_default(field)}{f' ({notes})' if notes else ''}"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is UnionType:
        return " or ".join(_type(argument) for argument in arguments)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    return "null" if annotation is NoneType else str(annotation.__name__)


def _default(field: FieldInfo) -> str:
    value = field.default
    if isinstance(value, BaseModel):
        return ", ".join(f"{name} {each}" for name, each in value.model_dump().items())
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "null" if value is None else str(value)


def _range(field: FieldInfo) -> str:
    """E.g. `1 to 48`, `from 0, below 1`, `above 0`."""
    limits = {name: getattr(rule, name) for rule in field.metadata for name in BOUNDS if hasattr(rule, name)}
    found = [f"{word} {limits[name]}" for name, word in BOUNDS.items() if name in limits]
    if limits.keys() == {"ge", "le"}:
        found = [f"{limits['ge']} to {limits['le']}"]
    found += [f"multiple of {rule.multiple_of}" for rule in field.metadata if hasattr(rule, "multiple_of")]
    return ", ".join(found)


def main() -> int:
    """Return 0 if the document is now up to date."""
    before = DOCUMENT.read_text(encoding="utf-8")
    after = generated(before)
    if "--check" in sys.argv[1:]:
        return int(before != after)
    DOCUMENT.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
