"""The states of the steps of a run, from the nodes that the server records.

A step in the loop has a node for each turn, all with the step's name. Each node has a driver, which Kubeflow runs before it
(`NAME-driver`), and a twin for each attempt (`NAME(0)`). Nodes that are left out have no state. While a run goes on, the server may
show a node twice for some seconds.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.package.steps import Steps
from pipelines.server.runs import OPEN, Run, Task

DRIVER = "-driver"


@dataclass(frozen=True)
class StepState:
    """The state of a step over all its turns. `counts` maps a state of the server to the number of its nodes.

    `unrecorded` is the number of nodes of an ended run that the server still shows as running: it does not know how they ended.
    """

    name: str
    counts: Mapping[str, int]
    failed_drivers: int = 0
    unrecorded: int = 0

    @property
    def failed(self) -> int:
        """The number of nodes that failed or were stopped, their drivers included."""
        return self.counts.get("FAILED", 0) + self.counts.get("CANCELED", 0) + self.failed_drivers

    @property
    def state(self) -> str:
        """One state for all turns: failed if one failed, running while one runs."""
        if self.failed:
            return "FAILED"
        return next((state for state in ("RUNNING", "PENDING", *self.counts) if state in self.counts), "UNRECORDED")

    @property
    def words(self) -> str:
        """The state in words, with numbers if there are several turns."""
        counted = Counter({in_words(state): count for state, count in self.counts.items()})
        counted |= {
            text: count
            for text, count in (("driver failed", self.failed_drivers), ("end not recorded", self.unrecorded))
            if count
        }
        if counted.total() == 1:
            return next(iter(counted))
        return f"{counted.total()} turns: " + ", ".join(f"{count} {text}" for text, count in sorted(counted.items()))


@dataclass
class _Found:
    counts: Counter[str] = field(default_factory=Counter)
    drivers: int = 0
    started: float = math.inf

    def add(self, task: Task, *, driver: bool) -> None:
        """Count a node."""
        if driver:
            self.drivers += 1
        else:
            self.counts[task.state] += 1
        self.started = min(self.started, task.started.timestamp() if task.started else math.inf)

    def as_one(self) -> None:
        """Keep one node, of a step that is in no loop: the state that says most of its nodes that are shown twice."""
        if self.counts.total() > 1:
            self.counts = Counter([min(self.counts, key=lambda state: (state in OPEN, state != "RUNNING"))])


def step_states(run: Run, steps: Steps) -> list[StepState]:
    """Return the states of the steps that have begun, in the order in which they began."""
    found = {name: _Found() for name in steps.names}
    for task in run.tasks:
        if task.name in found and task.state:
            found[task.name].add(task, driver=False)
        elif task.state == "FAILED" and task.name.removesuffix(DRIVER) in found:
            found[task.name.removesuffix(DRIVER)].add(task, driver=True)
    for name in set(steps.names) - set(steps.trial):
        found[name].as_one()
    begun = sorted(found.items(), key=lambda item: item[1].started)
    states = [_state(name, seen, run.ended) for name, seen in begun]
    return [state for state in states if state.counts or state.failed_drivers or state.unrecorded]


def _state(name: str, seen: _Found, ended: bool) -> StepState:
    """Return the state of one step. No step of an ended run is running."""
    frozen = {state: count for state, count in seen.counts.items() if ended and state in OPEN}
    counts = {state: count for state, count in seen.counts.items() if state not in frozen}
    return StepState(name, counts, seen.drivers, sum(frozen.values()))


def in_words(state: str) -> str:
    """Return a state of the server in plain words."""
    return "not started" if state in ("", "RUNTIME_STATE_UNSPECIFIED") else state.lower().replace("_", " ")
