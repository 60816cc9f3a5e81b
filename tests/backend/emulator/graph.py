"""The server's memory of a run: one execution per graph, turn of a loop, and step, with inputs, outputs and state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.records import Artifact
from emulator.values import DriverFailed, Json

Artifacts = dict[str, list[Artifact]]


@dataclass
class Execution:
    """A graph, a turn of a loop, or a step. `state` is what the server's metadata says, which differs from Argo's view."""

    id: int
    name: str
    component: Mapping[str, Any]
    parent: "Execution | None" = None
    turns: int | None = None
    turn: int | None = None
    state: str = "RUNNING"
    parameters: dict[str, Json] = field(default_factory=dict)
    artifacts: Artifacts = field(default_factory=dict)
    out_parameters: dict[str, Json] = field(default_factory=dict)
    out_artifacts: dict[str, Artifact] = field(default_factory=dict)
    children: list["Execution"] = field(default_factory=list)

    def child(self, name: str) -> "Execution":
        """Return the child of that name. Raises DriverFailed."""
        for each in self.children:
            if each.name == name:
                return each
        raise DriverFailed(f"producer task, {name}, not in tasks")

    def ended(self, state: str) -> None:
        """Store the end of a step, then the states of the graphs around it.

        Only a launcher that lives to the end does this. So the graph around a lost pod stays RUNNING, and so does the graph
        around a loop without a turn, because no step of it ever ends.
        """
        self.state = state
        graph = self.parent
        while graph is not None and graph.parent is not None:
            expected = graph.turns if graph.turns is not None else len(graph.component["dag"]["tasks"])
            states = [child.state for child in graph.children]
            if sum(state in {"COMPLETE", "CACHED"} for state in states) == expected:
                graph.state = "COMPLETE"
            elif "FAILED" in states:
                graph.state = "FAILED"
            else:
                return
            graph = graph.parent

    def output(self, key: str, artifact: bool) -> Any:
        """Return an output: of a step itself, of the step inside a graph that declares it, or of all turns of a loop."""
        if "dag" not in self.component:
            found: Mapping[str, Any] = self.out_artifacts if artifact else self.out_parameters
            if key not in found:
                raise DriverFailed(f"cannot find output {key} of task {self.name}")
            return [found[key]] if artifact else found[key]
        if self.turns:
            each = [turn.output(key, artifact) for turn in sorted(self.children, key=lambda turn: turn.turn or 0)]
            return [item for items in each for item in items] if artifact else each
        return self._inner(key, artifact)

    def _inner(self, key: str, artifact: bool) -> Any:
        outputs = self.component["dag"].get("outputs", {})
        if artifact:
            [selector] = outputs["artifacts"][key]["artifactSelectors"]
            return self.child(selector["producerSubtask"]).output(selector["outputArtifactKey"], artifact)
        selector = outputs["parameters"][key]["valueFromParameter"]
        return self.child(selector["producerSubtask"]).output(selector["outputParameterKey"], artifact)
