"""A compiled package as graphs of tasks: the values that reach each task, their sources, and the loop around it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from common.errors import UserError


@dataclass(frozen=True)
class Value:
    """A parameter inside a graph. `step` and `output` name its source; `step` is None for an input, an item or a constant.

    `crossed` means that a step outside the loop of the graph computed it.
    """

    type: str
    step: str | None = None
    output: str = ""
    crossed: bool = False


@dataclass(frozen=True)
class Task:
    """A task of a graph, with its component and, if it runs a container, the executor of that container."""

    name: str
    spec: Mapping[str, Any]
    component: Mapping[str, Any]
    executor: Mapping[str, Any]

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The source of each parameter of the task, as in the package."""
        return self.spec.get("inputs", {}).get("parameters", {})

    @property
    def artifacts(self) -> Mapping[str, Any]:
        """The source of each artifact of the task, as in the package."""
        return self.spec.get("inputs", {}).get("artifacts", {})

    @property
    def iterator(self) -> Mapping[str, Any] | None:
        """The items of the loop; None if the task is not a loop."""
        return self.spec.get("parameterIterator") or self.spec.get("artifactIterator")

    @property
    def container(self) -> Mapping[str, Any]:
        """Image, command and resources. Empty for a graph and for an importer."""
        return self.executor.get("container", {})


@dataclass(frozen=True)
class Graph:
    """A pipeline, or the body of a loop, a condition or an exit handler."""

    tasks: Mapping[str, Task]
    values: Mapping[str, Value]  # parameters that reach the graph
    artifacts: frozenset[str]  # artifacts that reach the graph
    loop: str | None = None  # nearest loop around the graph
    handler: str | None = None  # exit handler around the graph

    def value(self, given: Mapping[str, Any]) -> Value | None:
        """Return the value of a parameter of a task of the graph; None if no such value reaches the graph."""
        if "componentInputParameter" in given:
            return self.values.get(given["componentInputParameter"])
        if "taskOutputParameter" in given:
            source = given["taskOutputParameter"]
            step, output = source["producerTask"], source["outputParameterKey"]
            defined = self.tasks[step].component.get("outputDefinitions", {}).get("parameters", {})
            return Value(defined.get(output, {}).get("parameterType", ""), step, output)
        return Value("")


HOW = "ablate compile -o pipeline.yaml"


def read_package(package: Path | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the pipeline of a package file, or check one that is already parsed. Raises UserError."""
    spec: Any = package
    if isinstance(package, Path):
        try:
            spec = next(iter(yaml.safe_load_all(read_text(package))), None)
        except yaml.YAMLError as error:
            raise UserError(
                f"{package} cannot be read as a package: {type(error).__name__}; write one: {HOW}"
            ) from error
    if not isinstance(spec, Mapping) or "root" not in spec or "components" not in spec:
        raise UserError(f"a package is a compiled pipeline with `root` and `components`; write one: {HOW}")
    return spec


def read_text(package: Path) -> str:
    """Return the text of a package file. Raises UserError."""
    try:
        return package.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{package} cannot be read as a package: {type(error).__name__}; write one: {HOW}") from error


def graphs(spec: Mapping[str, Any]) -> Iterator[Graph]:
    """Yield the graphs of a package, the outermost first."""
    root = spec["root"]
    values, artifacts = _inputs(root)
    waiting = [Graph(_tasks(spec, root), values, artifacts)]
    while waiting:
        graph = waiting.pop(0)
        yield graph
        waiting += [_inside(spec, graph, task) for task in graph.tasks.values() if "dag" in task.component]


def _inputs(component: Mapping[str, Any]) -> tuple[dict[str, Value], frozenset[str]]:
    """Return the parameters and the artifacts that a component declares as inputs."""
    inputs = component.get("inputDefinitions", {})
    values = {name: Value(each.get("parameterType", "")) for name, each in inputs.get("parameters", {}).items()}
    return values, frozenset(inputs.get("artifacts", {}))


def _tasks(spec: Mapping[str, Any], component: Mapping[str, Any]) -> dict[str, Task]:
    executors = spec.get("deploymentSpec", {}).get("executors", {})
    found = {}
    for name, task in component["dag"]["tasks"].items():
        called = spec["components"].get(task["componentRef"]["name"], {})
        found[name] = Task(name, task, called, executors.get(called.get("executorLabel"), {}))
    return found


def _inside(spec: Mapping[str, Any], graph: Graph, task: Task) -> Graph:
    """Return the graph that a task of another graph calls."""
    values, artifacts = _inputs(task.component)
    for name, given in task.parameters.items():
        value = graph.value(given) or Value("")
        values[name] = replace(value, crossed=value.step is not None) if task.iterator else value
    return Graph(
        _tasks(spec, task.component),
        values,
        artifacts | frozenset(task.artifacts),
        task.name if task.iterator else graph.loop,
        task.name if task.name.startswith("exit-handler-") else graph.handler,
    )
