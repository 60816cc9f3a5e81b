"""Values that do not reach a task, or that reach it as something else."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.package.graph import Graph
from pipelines.package.rules.places import PLACEHOLDER, plain, texts, where


def dangling(graph: Graph) -> Iterator[str]:
    """Find references to values that do not reach a task: cpu, memory, accelerator or image from an input, in a loop."""
    for task in graph.tasks.values():
        missing = [name for name in _taken(task.parameters, "componentInputParameter") if name not in graph.values]
        missing += [name for name in _taken(task.artifacts, "componentInputArtifact") if name not in graph.artifacts]
        known = {*task.parameters, *task.component.get("inputDefinitions", {}).get("parameters", {})}
        used = PLACEHOLDER.findall(" ".join(texts([task.container, task.parameters])))
        missing += [name for name in used if name not in known]
        for name in dict.fromkeys(missing):
            yield (
                f"a step can only use values that reach it: {where(graph, task)} refers to {plain(name)}, which compiles "
                "to a reference to nothing; write a fixed value, or also give the value to the step as an argument"
            )


def upstream_in_loop(graph: Graph) -> Iterator[str]:
    """Find parameters of earlier steps in a loop: the local runner silently replaces them by the item of the loop."""
    reported = set()
    for task in graph.tasks.values():
        for given in task.parameters.values():
            value = graph.value(given)
            if value and value.crossed and (value.step, value.output) not in reported:
                reported.add((value.step, value.output))
                yield (
                    f"only artifacts, the item and the pipeline's inputs may cross into a loop: {where(graph, task)} uses "
                    f"the parameter {value.output} of {value.step}, which a local run replaces by the item; pass it as an "
                    "artifact or inside the items"
                )


def accelerators(graph: Graph) -> Iterator[str]:
    """Find accelerator limits without effect: the server ignores a number where it expects text."""
    for task in graph.tasks.values():
        wanted = task.container.get("resources", {}).get("accelerator", {})
        count = str(wanted.get("resourceCount", ""))
        if count and not wanted.get("resourceType"):
            yield (
                f"an accelerator limit needs an accelerator type: {where(graph, task)} requests {count} without a type and "
                "gets none; add set_accelerator_type"
            )
        for name in PLACEHOLDER.findall(count):
            value = graph.value(task.parameters.get(name, {}))
            if value and value.type not in ("", "STRING"):
                yield (
                    f"an accelerator limit from an input must be a `str`: {where(graph, task)} takes {plain(name)}, which "
                    f"is a {value.type}, and would run without any accelerator; declare it as `str`"
                )


def names(graph: Graph) -> Iterator[str]:
    """Find uses of `item.name`: kfp reads it as its own name of the item, not as the key of the item."""
    for task in graph.tasks.values():
        for parameter, given in task.parameters.items():
            constant = given.get("runtimeValue", {}).get("constant")
            if isinstance(constant, str) and re.fullmatch(r"(.+-)?loop-item(-param-\d+)?", constant):
                yield (
                    f"a key of the items of a loop cannot be `name`: {where(graph, task)} gets the text {constant!r} as "
                    f"{parameter} instead of the value of the item; give the key another name"
                )


def _taken(inputs: Mapping[str, Any], kind: str) -> list[str]:
    """Return the names of the inputs of the graph that a task takes."""
    return [given[kind] for given in inputs.values() if kind in given]
