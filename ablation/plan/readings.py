"""The readings of a Markdown plan's phrases: what each was taken for. They stay with the plan, so that its report shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ablation.plan.fields import filled_text, mapping, shown
from common.errors import UserError


@dataclass(frozen=True)
class Reading:
    """A phrase of a line, counted from 1, and the part, or the part with a kind, as which it was read."""

    line: int
    phrase: str
    read_as: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.phrase!r} read as `{self.read_as}`"


def read_as(part: str, *specs: Mapping[str, Any]) -> str:
    """Return a part with its kinds and their values in words: `pooling: mean (last 2)`."""
    return f"{part}: {' and '.join(map(_in_words, specs))}" if specs else part


def _in_words(spec: Mapping[str, Any]) -> str:
    values = ", ".join(f"{key} {value:g}" for key, value in spec.items() if key != "kind")
    return f"{spec['kind']} ({values})" if values else str(spec["kind"])


def readings(key: str, value: Any) -> tuple[Reading, ...]:
    """Check the plan's key `readings`, which the reader of Markdown plans writes. Raises UserError."""
    if not isinstance(value, list):
        raise UserError(
            f"`{key}` is a list that is written when a Markdown plan is read, got {shown(value)}; leave it out"
        )
    return tuple(_reading(key, item) for item in value)


def _reading(key: str, item: Any) -> Reading:
    known = {field.name for field in fields(Reading)}
    given = mapping(key, item)
    if set(given) != known or not isinstance(given["line"], int):
        raise UserError(f"each of `{key}` has a line, a phrase and read_as, got {shown(item)}; leave `{key}` out")
    phrase, meaning = (filled_text(f"{name} of {key}", given[name]) for name in ("phrase", "read_as"))
    return Reading(given["line"], phrase, meaning)
