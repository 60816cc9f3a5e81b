"""The two sizes that end a run after hours: the packed state of Argo, and the longest argument of a command.

Measured on KFP 2.17.0 with Argo 4.0.5. A study of 96 turns succeeded and one of 100 failed at its last step; a step took 238
collected artifacts and not 242. Both limits are applied with 30 % to spare.
"""

import json
from collections.abc import Iterator
from typing import Any

from components.shared.chunks import MOST_TURNS
from pipelines.package.graph import Graph, Task
from pipelines.package.rules.places import where

SPARE = 0.7
STATE_BYTES = 1024 * 1024  # the largest workflow, with its nodes packed
STATE_BASE = 41_000
STATE_STEP = 4_900  # a step of one turn, packed: 9.8 kB a turn of two steps
ARGUMENT_BYTES = 128 * 1024  # the largest argument on Linux; KFP passes the inputs of a step in one
ARGUMENT_BASE = 3_100
ARGUMENT_ARTIFACT = 521
LABEL = 64  # bytes of an artifact's label; those of trials have about 20


def packed_state(graph: Graph) -> Iterator[str]:
    """Find loops whose turns do not fit into the state that Argo keeps of a run."""
    for task in graph.tasks.values():
        if task.iterator is None:
            continue
        steps = len(task.component.get("dag", {}).get("tasks", {}))
        most = int((STATE_BYTES * SPARE - STATE_BASE) / (STATE_STEP * max(steps, 1)))
        if turns(task) > most:
            yield (
                f"a loop with {steps} steps has at most {most} turns, because Argo keeps its state in 1 MiB: {task.name} has "
                f"{turns(task)}; do more in one turn, or in fewer steps"
            )


def arguments(graph: Graph) -> Iterator[str]:
    """Find steps whose collected artifacts and constants do not fit into one argument."""
    for task in graph.tasks.values():
        collected = [turns(loop) for loop in _collected_loops(graph, task)]
        constants = sum(len(json.dumps(value).encode()) for value in _constants(task))
        needed = ARGUMENT_BASE + constants + sum(collected) * (ARGUMENT_ARTIFACT + LABEL)
        if needed > ARGUMENT_BYTES * SPARE:
            yield (
                f"the inputs of a step have at most {int(ARGUMENT_BYTES * SPARE) // 1000} kB, because Linux limits an argument "
                f"of a command: {where(graph, task)} needs about {needed // 1000} kB, with {sum(collected)} collected "
                "artifacts; write results to a store and pass their names"
            )


def turns(task: Task) -> int:
    """Return the number of turns of a loop: that of its fixed items, or the most that computed items have."""
    raw = (task.iterator or {}).get("items", {}).get("raw")
    return MOST_TURNS if raw is None else len(json.loads(raw))


def _collected_loops(graph: Graph, task: Task) -> Iterator[Task]:
    """Yield the loop of each collected artifact that a task takes."""
    for given in task.artifacts.values():
        producer = graph.tasks.get(given.get("taskOutputArtifact", {}).get("producerTask", ""))
        if producer and producer.iterator:
            yield producer


def _constants(task: Task) -> Iterator[Any]:
    for given in task.parameters.values():
        if "runtimeValue" in given:
            yield given["runtimeValue"].get("constant")
