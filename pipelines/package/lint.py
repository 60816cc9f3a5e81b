"""Checks for faults that kfp's compiler accepts, and that a Kubeflow server refuses or silently runs in another way."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.package.graph import Graph, Task, graphs, read_package

PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.parameters\[['\"]([^'\"]+)['\"]\]")
CHANNEL = "pipelinechannel--"  # kfp's prefix for the names of values that cross into a graph
DEFAULT_IMAGE = re.compile(r"python:3\.\d+")  # kfp's choice if a component names no image
REFERENCE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?"  # registry
    r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"  # repository
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?P<digest>@sha256:[0-9a-f]{64})?"
)


def lint(package: Path | Mapping[str, Any]) -> list[str]:
    """Return the faults of a compiled package, each as a sentence with the rule, the place and the remedy.

    The package has the form of kfp 2.17 and is a file or already parsed. Raises UserError if it is not a package.
    """
    found: list[str] = []
    steps: dict[str, list[str]] = {}
    for graph in graphs(read_package(package)):
        for rule in (_dangling, _upstream_in_loop, _loops, _importers, _accelerators, _names, _ignored_failures):
            found += rule(graph)
        for task in graph.tasks.values():
            if "container" in task.executor:
                steps.setdefault(task.container.get("image", ""), []).append(task.name)
    found += [sentence for image, names in steps.items() for sentence in _image(image, names)]
    return list(dict.fromkeys(found))


def _dangling(graph: Graph) -> Iterator[str]:
    """Find references to values that do not reach a task: cpu, memory, accelerator or image from an input, in a loop."""
    for task in graph.tasks.values():
        missing = [name for name in _taken(task.parameters, "componentInputParameter") if name not in graph.values]
        missing += [name for name in _taken(task.artifacts, "componentInputArtifact") if name not in graph.artifacts]
        known = {*task.parameters, *task.component.get("inputDefinitions", {}).get("parameters", {})}
        used = PLACEHOLDER.findall(" ".join(_texts([task.container, task.parameters])))
        missing += [name for name in used if name not in known]
        for name in dict.fromkeys(missing):
            yield (
                f"a step can only use values that reach it: {_where(graph, task)} refers to {_plain(name)}, which compiles "
                "to a reference to nothing; write a fixed value, or also give the value to the step as an argument"
            )


def _upstream_in_loop(graph: Graph) -> Iterator[str]:
    """Find parameters of earlier steps in a loop: the local runner silently replaces them by the item of the loop."""
    reported = set()
    for task in graph.tasks.values():
        for given in task.parameters.values():
            value = graph.value(given)
            if value and value.crossed and (value.step, value.output) not in reported:
                reported.add((value.step, value.output))
                yield (
                    f"only artifacts, the item and the pipeline's inputs may cross into a loop: {_where(graph, task)} uses "
                    f"the parameter {value.output} of {value.step}, which a local run replaces by the item; pass it as an "
                    "artifact or inside the items"
                )


def _loops(graph: Graph) -> Iterator[str]:
    for task in graph.tasks.values():
        if task.iterator is None:
            continue
        if "artifactIterator" in task.spec:
            yield (
                f"a loop runs over a list of parameters: {task.name} runs over a list of artifacts, which the server "
                "refuses; loop over their URIs or names"
            )
        if graph.handler:
            yield (
                f"a loop cannot be in an exit handler: {task.name} is in {graph.handler}, which the server refuses; "
                "move the loop out of it, and let steps return their failures as data"
            )
        if graph.loop:
            yield (
                f"loops cannot be nested: {task.name} is in {graph.loop}, whose item a local run replaces by the inner "
                "one; make one flat list of all combinations before the loop"
            )


def _importers(graph: Graph) -> Iterator[str]:
    for task in graph.tasks.values():
        if graph.loop and "importer" in task.executor:
            yield (
                f"an importer cannot be in a loop: {_where(graph, task)} is in one, which the server refuses; import before "
                "the loop, or let a step read the URI"
            )


def _accelerators(graph: Graph) -> Iterator[str]:
    """Find accelerator limits without effect: the server ignores a number where it expects text."""
    for task in graph.tasks.values():
        wanted = task.container.get("resources", {}).get("accelerator", {})
        count = str(wanted.get("resourceCount", ""))
        if count and not wanted.get("resourceType"):
            yield (
                f"an accelerator limit needs an accelerator type: {_where(graph, task)} requests {count} without a type and "
                "gets none; add set_accelerator_type"
            )
        for name in PLACEHOLDER.findall(count):
            value = graph.value(task.parameters.get(name, {}))
            if value and value.type not in ("", "STRING"):
                yield (
                    f"an accelerator limit from an input must be a `str`: {_where(graph, task)} takes {_plain(name)}, which "
                    f"is a {value.type}, and would run without any accelerator; declare it as `str`"
                )


def _names(graph: Graph) -> Iterator[str]:
    """Find uses of `item.name`: kfp reads it as its own name of the item, not as the key of the item."""
    for task in graph.tasks.values():
        for parameter, given in task.parameters.items():
            constant = given.get("runtimeValue", {}).get("constant")
            if isinstance(constant, str) and re.fullmatch(r"(.+-)?loop-item(-param-\d+)?", constant):
                yield (
                    f"a key of the items of a loop cannot be `name`: {_where(graph, task)} gets the text {constant!r} as "
                    f"{parameter} instead of the value of the item; give the key another name"
                )


def _ignored_failures(graph: Graph) -> Iterator[str]:
    for task in graph.tasks.values():
        loops = [name for name in task.spec.get("dependentTasks", []) if graph.tasks[name].iterator]
        if loops and task.spec.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED":
            yield (
                f"a step after a loop cannot ignore its failure: {_where(graph, task)} comes after {loops[0]} with "
                "ignore_upstream_failure, which the server refuses; let the steps in the loop return failures as data"
            )


def _image(image: str, steps: list[str]) -> Iterator[str]:
    """Check an image. The cache of the server identifies the code of a step by the text of its image alone."""
    where = f"image {image!r} of {', '.join(dict.fromkeys(steps))}"
    if PLACEHOLDER.search(image):
        return
    if not image or DEFAULT_IMAGE.fullmatch(image):
        yield f"every step names its image: {where} is kfp's choice for a step without one; pass base_image, or --image"
        return
    reference = REFERENCE.fullmatch(image)
    if not reference:
        yield f"an image is REPOSITORY:TAG in lower case: {where} is not; correct it, e.g. --image registry/ablate-python:1a2b3c4"
    elif not reference["digest"] and reference["tag"] in (None, "latest"):
        yield (
            f"an image has a digest, or a tag that identifies its code: {where} can change while the cache of the server "
            "keeps old results; tag it with its git revision, e.g. --image registry/ablate-python:1a2b3c4"
        )


def _taken(inputs: Mapping[str, Any], kind: str) -> list[str]:
    """Return the names of the inputs of the graph that a task takes."""
    return [given[kind] for given in inputs.values() if kind in given]


def _where(graph: Graph, task: Task) -> str:
    return f"{task.name} in {graph.loop}" if graph.loop else task.name


def _plain(name: str) -> str:
    return name.removeprefix(CHANNEL)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a part of a package."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
