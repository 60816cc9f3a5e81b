"""Pydantic's errors as one sentence."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel, ValidationError

RULES = {"extra_forbidden": "no such setting here; remove it", "string_type": "this is text; put it in quotes"}


def sentence(error: ValidationError, shorten: Callable[[Sequence[str]], Sequence[str]] = lambda steps: steps) -> str:
    """Return the first error as `path: rule, got value`. `shorten` can remove steps of the path to the value.

    The sentence does not quote a whole group of settings or a missing value.
    """
    first = error.errors(include_url=False)[0]
    where = ".".join(shorten([str(step) for step in first["loc"] if step != "[key]"]))
    rule = RULES.get(first["type"], first["msg"].removeprefix("Value error, "))
    rule = f"{rule[0].lower()}{rule[1:]}" if where else rule
    given = "" if isinstance(first["input"], (Mapping, BaseModel)) else f", got {first['input']!r}"
    return f"{where}: {rule}{given}" if where else f"{rule}{given}"
