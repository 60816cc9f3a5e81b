"""Placeholders such as `{corpus}` in the words of a command. `{{name}}` stands for the text `{name}`."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from common.hints import did_you_mean

FORM = re.compile(r"\{\{(?P<literal>\w+)\}\}|\{(?P<name>\w+)\}")
OVERRIDES = "overrides"  # the only one that becomes several words
NAMED = ("corpus_name", "corpus_version")  # of an external corpus
BOTH = ("python", "corpus", *NAMED, "config", "arm", "threads", "gpus", OVERRIDES)
TRAIN = (*BOTH, "seed", "out", "state")
TRANSCRIBE = (*BOTH, "checkpoint", "hypotheses", "condition", "conditions")
IN_TEXTS = {name for name in (*TRAIN, *TRANSCRIBE) if name not in (OVERRIDES, "config", "hypotheses", "condition")}


def names(text: str) -> Iterator[str]:
    """Yield the names of the placeholders in a text."""
    yield from (found["name"] for found in FORM.finditer(text) if found["name"])


def names_in(value: Any) -> Iterator[str]:
    """Yield the names of the placeholders in all texts of a plain value."""
    if isinstance(value, str):
        yield from names(value)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from names_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from names_in(each)


def check(value: Any, known: Collection[str]) -> None:
    """Raise ValueError for a placeholder that is not known."""
    for name in names_in(value):
        if name not in known:
            hint = did_you_mean(name, known) if known else ". There are none here"
            raise ValueError(
                f"unknown placeholder {{{name}}}{hint}; for these characters themselves write {{{{{name}}}}}"
            )


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """Return a plain value with its placeholders filled in. A text that is one placeholder takes the type of its value."""
    if isinstance(value, Mapping):
        return {key: filled(each, values) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled(each, values) for each in value]
    if not isinstance(value, str):
        return value
    whole = FORM.fullmatch(value)
    if whole and whole["name"]:
        return values[whole["name"]]
    return FORM.sub(lambda found: written(values[found["name"]]) if found["name"] else f"{{{found['literal']}}}", value)


def words(command: list[str], values: Mapping[str, Any], overrides: Collection[str]) -> list[str]:
    """Return the arguments of a command. Each word stays one argument, except `{overrides}`."""
    found: list[str] = []
    for word in command:
        found += overrides if word == f"{{{OVERRIDES}}}" else [written(filled(word, values))]
    return found


def written(value: Any) -> str:
    """Return a value as commands and environment variables take it: `true`, `0.1`, `text`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
