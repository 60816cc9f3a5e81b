"""Checks for faults that kfp's compiler accepts, and that a Kubeflow server refuses or silently runs in another way."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.package.graph import Graph, graphs, read_package
from pipelines.package.rules import endings, images, loops, sizes, texts, values

GRAPH_RULES: tuple[Callable[[Graph], Iterator[str]], ...] = (
    values.dangling,
    values.upstream_in_loop,
    values.accelerators,
    values.names,
    loops.loops,
    loops.importers,
    endings.ignored_failures,
    endings.exit_tasks,
    endings.retries,
    sizes.packed_state,
    sizes.arguments,
)


def lint(package: Path | Mapping[str, Any]) -> list[str]:
    """Return the faults of a compiled package, each as a sentence with the rule, the place and the remedy.

    The package has the form of kfp 2.17 and is a file or already parsed. Raises UserError if it is not a package.
    """
    spec, found = read_package(package), list[str]()
    steps: dict[str, list[str]] = {}
    for graph in graphs(spec):
        for rule in GRAPH_RULES:
            found += rule(graph)
        for task in graph.tasks.values():
            if "container" in task.executor:
                steps.setdefault(task.container.get("image", ""), []).append(task.name)
    found += [sentence for image, names in steps.items() for sentence in images.image(image, names)]
    found += texts.placeholders(spec)
    if isinstance(package, Path):
        found += texts.numbers(package)
    return list(dict.fromkeys(found))
