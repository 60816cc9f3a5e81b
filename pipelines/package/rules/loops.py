"""Loops that a server refuses or runs in another way."""

from collections.abc import Iterator

from pipelines.package.graph import Graph
from pipelines.package.rules.places import where


def loops(graph: Graph) -> Iterator[str]:
    for task in graph.tasks.values():
        if task.iterator is None:
            continue
        if "artifactIterator" in task.spec:
            yield (
                f"a loop runs over a list of parameters: {task.name} runs over a list of artifacts, which the server "
                "refuses; loop over their URIs or names"
            )
        if graph.loop:
            yield (
                f"loops cannot be nested: {task.name} is in {graph.loop}, whose item a local run replaces by the inner "
                "one; make one flat list of all combinations before the loop"
            )


def importers(graph: Graph) -> Iterator[str]:
    for task in graph.tasks.values():
        if graph.loop and "importer" in task.executor:
            yield (
                f"an importer cannot be in a loop: {where(graph, task)} is in one, which the server refuses; import before "
                "the loop, or let a step read the URI"
            )
