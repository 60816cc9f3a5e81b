"""A compiled package as graphs of tasks, each in its place: which values reach it from where, and which loop it is in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from common.errors import UserError


@dataclass(frozen=True)
class Value:
    """A parameter inside a graph. `step` and `output` name what computes it; None for an input, an item or a constant.

    `crossed` means that it was computed outside of the loop that the graph is in.
    """

    type: str
    step: str | None = None
    output: str = ""
    crossed: bool = False


@dataclass(frozen=True)
class Task:
    """A task of a graph, with the component that it calls and, of a step that runs a container, that container."""

    name: str
    spec: Mapping[str, Any]
    component: Mapping[str, Any]
    executor: Mapping[str, Any]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Where each of the task's parameters comes from, as the package says it."""
        return self.spec.get("inputs", {}).get("parameters", {})

    @property
    def artifacts(self) -> Mapping[str, Any]:
        """Where each of the task's artifacts comes from, as the package says it."""
        return self.spec.get("inputs", {}).get("artifacts", {})

    @property
    def iterator(self) -> Mapping[str, Any] | None:
        """What the task loops over; None if it is no loop."""
        return self.spec.get("parameterIterator") or self.spec.get("artifactIterator")

    @property
    def container(self) -> Mapping[str, Any]:
        """Image, command and resources; empty for a graph and for an importer."""
        return self.executor.get("container", {})


@dataclass(frozen=True)
class Graph:
    """A pipeline, or the body of a loop, a condition or an exit handler, in the order from outside to inside."""

    tasks: Mapping[str, Task]
    values: Mapping[str, Value]  # the parameters that reach it
    artifacts: frozenset[str]  # and the artifacts
    loop: str | None = None  # the nearest loop around it
    handler: str | None = None  # the exit handler around it

    def value(self, given: Mapping[str, Any]) -> Value | None:
        """What a parameter of one of the graph's tasks is; None if nothing of that name reaches the graph."""
        if "componentInputParameter" in given:
            return self.values.get(given["componentInputParameter"])
        if "taskOutputParameter" in given:
            source = given["taskOutputParameter"]
            step, output = source["producerTask"], source["outputParameterKey"]
            defined = self.tasks[step].component.get("outputDefinitions", {}).get("parameters", {})
            return Value(defined.get(output, {}).get("parameterType", ""), step, output)
        return Value("")


def read_package(package: Path | Mapping[str, Any]) -> Mapping[str, Any]:
    """The pipeline in a package file, or one that was read already. Raises UserError."""
    spec: Any = package
    if isinstance(package, Path):
        try:
            spec = next(iter(yaml.safe_load_all(package.read_text(encoding="utf-8"))), None)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"no package can be read at {package}: {type(error).__name__}; write one: {HOW}") from error
    if not isinstance(spec, Mapping) or "root" not in spec or "components" not in spec:
        raise UserError(f"a package is a compiled pipeline with `root` and `components`; write one: {HOW}")
    return spec


HOW = "ablate compile -o pipeline.yaml"


def graphs(spec: Mapping[str, Any]) -> Iterator[Graph]:
    """The graphs of a package, the outermost first."""
    root = spec["root"]
    inputs = root.get("inputDefinitions", {})
    values = {name: Value(each.get("parameterType", "")) for name, each in inputs.get("parameters", {}).items()}
    waiting = [Graph(_tasks(spec, root), values, frozenset(inputs.get("artifacts", {})))]
    while waiting:
        graph = waiting.pop(0)
        yield graph
        waiting += [_inside(spec, graph, task) for task in graph.tasks.values() if "dag" in task.component]


def _tasks(spec: Mapping[str, Any], component: Mapping[str, Any]) -> dict[str, Task]:
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    found = {}
    for name, task in component["dag"]["tasks"].items():
        called = spec["components"].get(task["componentRef"]["name"], {})
        found[name] = Task(name, task, called, executors.get(called.get("executorLabel"), {}))
    return found


def _inside(spec: Mapping[str, Any], graph: Graph, task: Task) -> Graph:
    """The graph that a task of another graph stands for."""
    inputs = task.component.get("inputDefinitions", {})
    values = {name: Value(each.get("parameterType", "")) for name, each in inputs.get("parameters", {}).items()}
    for name, given in task.parameters.items():
        value = graph.value(given) or Value("")
        values[name] = replace(value, crossed=value.step is not None) if task.iterator else value
    return Graph(
        _tasks(spec, task.component),
        values,
        frozenset(inputs.get("artifacts", {})) | frozenset(task.artifacts),
        task.name if task.iterator else graph.loop,
        task.name if task.name.startswith("exit-handler-") else graph.handler,
    )
