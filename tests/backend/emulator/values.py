"""Values as the server passes them: JSON of protobuf's Struct, where every number is a double."""

import json
from collections.abc import Mapping
from typing import Any

Json = Any


class DriverFailed(Exception):
    """An input of a step cannot be resolved. The server's driver pod fails then, and the step never starts."""


def doubles(value: Json) -> Json:
    """Return the value with every number as a double, as protobuf keeps it; whole numbers above 2**53 lose digits."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): doubles(item) for key, item in value.items()}
    return [doubles(item) for item in value]


def _written(value: Json) -> Json:
    """Return the value with whole doubles below 1e21 as whole numbers, because Go writes them without a point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _written(item) for key, item in value.items()}
    return [_written(item) for item in value] if isinstance(value, list) else value


def dumps(value: Json) -> str:
    """Write JSON as the server does: no spaces, letters of all languages as they are."""
    return json.dumps(_written(value), separators=(",", ":"), ensure_ascii=False)


def as_text(value: Json) -> str:
    """Return a value as the text that takes its place in a command or in a parameter of type string."""
    return value if isinstance(value, str) else dumps(value)


PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "NUMBER_DOUBLE": (float,),
    "NUMBER_INTEGER": (float,),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
    "TASK_FINAL_STATUS": (dict,),
}


def typed(name: str, value: Json, kind: str) -> Json:
    """Return an input as its declared type wants it. Text is accepted as text only; anything is accepted as text."""
    if kind == "STRING":
        return as_text(value)
    if not isinstance(value, PYTHON_TYPES.get(kind, (object,))):
        raise DriverFailed(f'input parameter "{name}" type mismatch: expect {kind}, got {type(value).__name__}')
    return value


def from_file(text: str, kind: str) -> Json:
    """Read an output parameter from the file that the step wrote. Raises ValueError for another type."""
    if kind == "STRING":
        return text
    if kind == "NUMBER_INTEGER":
        return float(int(text.strip()))
    if kind == "NUMBER_DOUBLE":
        return float(text.strip())
    if kind == "BOOLEAN":
        return {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()]
    value = doubles(json.loads(text))
    if not isinstance(value, PYTHON_TYPES[kind]):
        raise ValueError(f"{kind} expected, not {text[:80]}")
    return value
