"""Checks of all that `submit`, `schedule` and `ci` send to a server, before anything is created there."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from common.errors import UserError
from common.redact import redact
from pipelines.package.texts import fault

MOST_BYTES = (
    100_000  # of all arguments as JSON; Linux takes 128 KiB in one argument of a command, which holds more than these
)
MOST_EXACT = 2**53  # a server stores numbers as 64-bit floats
NAMES = {"run": 255, "experiment": 128, "version": 127}  # bytes, measured


def check_sendable(arguments: Mapping[str, Any], *, run_name: str, experiment: str, version: str) -> None:
    """Raise UserError for the first value that a server refuses or changes: a text, a number, a size or a name.

    The sentence names the place as a path of keys, e.g. `plan.ablations.0.why`.
    """
    for kind, name in (("run", run_name), ("experiment", experiment), ("version", version)):
        _check_name(kind, name)
    for place, value in _values(arguments, ""):
        _check_value(place, value)
    _check_size(arguments)


def _check_name(kind: str, name: str) -> None:
    length, most = len(name.encode(errors="replace")), NAMES[kind]
    if length > most:
        raise UserError(
            f"the {kind} name has at most {most} bytes, and {name[:40]!r}... has {length}; give a shorter one"
        )
    if broken := fault(name) or (fault_of_lines(name)):
        raise UserError(f"the {kind} name {name!r}: {broken}")


def fault_of_lines(name: str) -> str | None:
    """Return the rule that a name of several lines breaks."""
    return "a name has one line; remove the line breaks" if "\n" in name or "\r" in name else None


def _check_value(place: str, value: Any) -> None:
    """Check one key or value that has no others inside."""
    if isinstance(value, str):
        broken = fault(value) or _secret(value)
    elif isinstance(value, bool) or value is None:
        broken = None
    elif isinstance(value, int) and abs(value) > MOST_EXACT:
        broken = f"a server keeps whole numbers up to 2**53 only, not {value}; give a smaller one"
    elif isinstance(value, float) and not math.isfinite(value):
        broken = f"a number is finite, and {value} is not; give another one"
    else:
        broken = None
    if broken:
        raise UserError(f"{place}: {broken}")


def _secret(text: str) -> str | None:
    """Return why a text cannot be sent if it has a password, or a secret of this machine's environment."""
    shown = "everyone who sees a run can read its inputs, and this text has a password or a secret of the environment"
    return None if redact(text) == text else f"{shown}; remove it"


def _check_size(arguments: Mapping[str, Any]) -> None:
    sizes = {name: len(_sent(value)) for name, value in arguments.items()}
    total = len(_sent(arguments))
    if total > MOST_BYTES:
        largest = max(sizes, key=sizes.__getitem__)
        remedy = "put the plan at an address and give `plan_uri`, or split its ablations into two studies"
        raise UserError(
            f"{largest}: the inputs of a run have at most {MOST_BYTES:,} bytes, and these have {total:,}, of which "
            f"{largest} has {sizes[largest]:,}; {remedy if largest == 'plan' else 'shorten it'}"
        )


def _sent(value: Any) -> bytes:
    """Return a value as the JSON that is sent."""
    return json.dumps(value, ensure_ascii=False).encode()


def _values(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield every key and every plain value with its path of keys."""
    inside: Iterator[tuple[Any, Any]]
    if isinstance(value, Mapping):
        inside = iter(value.items())
        yield from ((f"{place or 'arguments'}, a key", key) for key in value)
    elif isinstance(value, (list, tuple)):
        inside = iter(enumerate(value))
    else:
        yield place, value
        return
    for key, part in inside:
        yield from _values(part, f"{place}.{key}" if place else str(key))
