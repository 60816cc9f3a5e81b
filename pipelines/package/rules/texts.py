"""Texts of a package that a server replaces, refuses, or reads as something else."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.package.graph import read_text
from pipelines.package.texts import fault
from pipelines.package.yaml12 import numbers_for_go

# kfp's own, which the driver and the launcher replace as they were meant.
KFP = re.compile(r"\{\{\$(?:\}\}|\.(?:inputs|outputs|pipeline_job_\w+|pipeline_task_\w+)\b[^{}]*\}\})")


def placeholders(spec: Mapping[str, Any]) -> Iterator[str]:
    """Find texts in the whole package that a server does not keep: constants, defaults, environment, code, descriptions."""
    for place, text in _texts(spec, ""):
        if broken := fault(KFP.sub("", text)):
            yield f"a text of a package stays as it is: {place} does not; {broken}"


def numbers(package: Any) -> Iterator[str]:
    """Find texts of a package file without quotes that a server reads as numbers."""
    for text in dict.fromkeys(numbers_for_go(read_text(package))):
        yield (
            f"a text that looks like a number has quotes: a server reads {text} as a number in this file, and refuses every "
            "run of it; write the package by `ablate compile`"
        )


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield every text with its path of keys, and every key."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            yield f"a key of {place}", str(key)
            yield from _texts(inside, f"{place}.{key}" if place else str(key))
    elif isinstance(value, (list, tuple)):
        for number, inside in enumerate(value):
            yield from _texts(inside, f"{place}.{number}")
