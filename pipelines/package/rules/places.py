"""Where a fault is: names for sentences, and the texts of a part of a package."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.package.graph import Graph, Task

PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\[['\"]([^'\"]+)['\"]\]")
CHANNEL = "pipelinechannel--"  # kfp's prefix for the names of values that cross into a graph


def where(graph: Graph, task: Task) -> str:
    return f"{task.name} in {graph.loop}" if graph.loop else task.name


def plain(name: str) -> str:
    return name.removeprefix(CHANNEL)


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a part of a package."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from texts(inner)
