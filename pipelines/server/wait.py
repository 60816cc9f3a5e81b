"""Waits for a run on a Kubeflow Pipelines server and shows its progress."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from rich.console import Console
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipelines.display import Display
from pipelines.package.steps import Steps
from pipelines.server.client import Run, Server, Task
from pipelines.server.errors import ServerFailed, Unreachable

T = TypeVar("T")

POLL_S = 5.0
LONGEST_PAUSE_S = 60.0
PATIENCE_S = 600.0  # without an answer, or in an unknown state
ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"}
OPEN = {"", "RUNTIME_STATE_UNSPECIFIED", "PENDING", "RUNNING", "CANCELING", "PAUSED"}
STYLES = {"SUCCEEDED": "green", "SKIPPED": "green", "FAILED": "red", "CANCELED": "red"}


class Lost(Exception):
    """The waiting ended, and the run may continue; the text gives the reason."""


@dataclass(frozen=True)
class Clock:
    """The time between two requests, and the longest time without an answer."""

    poll_s: float = POLL_S
    patience_s: float = PATIENCE_S


def wait(server: Server, run: str, view: "View", *, deadline: float | None, clock: Clock) -> Run:
    """Return the run after its end, in any state. Raises Lost, and UserError if the server no longer gives the run.

    `deadline` is in seconds of `time.monotonic`; None means no deadline.
    """
    unknown_since: float | None = None
    while True:
        found = patiently(lambda: server.run(run), view.say, deadline, clock)
        view.update(found)
        if found.state in ENDED or (found.ended and found.state not in OPEN):
            return found
        if found.state in OPEN:
            unknown_since = None
        else:
            unknown_since = time.monotonic() if unknown_since is None else unknown_since
            if time.monotonic() - unknown_since >= clock.patience_s:
                raise Lost(f"the run is in state {found.state!r}, which `ablate` does not know")
        if deadline is not None and time.monotonic() >= deadline:
            raise Lost(f"the time of --timeout is over, and the run is {in_words(found.state)}")
        time.sleep(clock.poll_s)


def patiently(ask: Callable[[], T], say: Callable[[str], None], deadline: float | None, clock: Clock) -> T:
    """Repeat a request until the server answers, because servers restart and connections break. Raises Lost."""
    pause, since = clock.poll_s, time.monotonic()
    while True:
        try:
            return ask()
        except (Unreachable, ServerFailed) as error:
            if time.monotonic() - since >= clock.patience_s:
                raise Lost(f"no answer for {clock.patience_s / 60:.0f} minutes; the last attempt: {error}") from error
            if deadline is not None and time.monotonic() >= deadline:
                raise Lost(f"the time of --timeout is over; the last attempt: {error}") from error
            say(f"no answer, trying again: {error}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def in_words(state: str) -> str:
    """Return a state of the server in plain words."""
    return "not started" if state in ("", "RUNTIME_STATE_UNSPECIFIED") else state.lower().replace("_", " ")


def failures(run: Run, view: "View") -> list[str]:
    """Return every step that failed or was stopped, with the reason that the server gives."""
    return [
        f"{label}: {in_words(task.state)}{': ' + task.error if task.error else ''}"
        for label, task in view.labelled(run.tasks)
        if task.state in ("FAILED", "CANCELED")
    ]


class View(Display):
    """Progress of a run: a table on a terminal, else one line per event.

    A server identifies trials only by their iteration of the loop, which has no trials that finished before. `names` maps an
    iteration, from 0, to its trial. The view calls it after the loop has started, and numbers the trials that it does not know.
    """

    def __init__(self, console: Console, steps: Steps, names: Callable[[], Mapping[int, str]] = dict) -> None:
        super().__init__(console)
        self.steps, self.names = steps, cache(names)
        self._shown: dict[str, str] = {}

    def update(self, run: Run) -> None:
        """Show the changes since the last call."""
        states = {"run": run.state} | {label: task.state for label, task in self.labelled(run.tasks)}
        if self.on_terminal:
            self.draw(self._table(states))
            return
        for label, state in states.items():
            if self._shown.get(label) != state:
                self._shown[label] = state
                self.say(f"{label}: {in_words(state)}")

    def labelled(self, tasks: Sequence[Task]) -> list[tuple[str, Task]]:
        """Return the steps of the pipeline with a label each. The label of a step in the loop names its trial."""
        by_id = {task.id: task for task in tasks}
        return [(self._label(task, by_id), task) for task in tasks if task.name in self.steps.names]

    def _label(self, task: Task, by_id: Mapping[str, Task]) -> str:
        number = iteration(task, by_id) if task.name in self.steps.trial else None
        return task.name if number is None else f"{self.names().get(number, f'trial {number + 1}')} {task.name}"

    def _table(self, states: Mapping[str, str]) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_row(Spinner("dots"), Text(f"run {in_words(states['run'])}", style="bold"))
        for label, state in states.items():
            if label != "run":
                grid.add_row("", label, Text(in_words(state), style=STYLES.get(state, "")))
        return grid


ITERATION = re.compile(r"^iteration.*?\(?(\d+)(?::\d+)?\)?$")


def iteration(task: Task, by_id: Mapping[str, Task]) -> int | None:
    """Return the iteration of the loop that a step is in, from 0; None if the server does not name it."""
    seen, nearest = {task.id}, [task]
    while nearest:
        for node in nearest:
            if found := ITERATION.match(node.name):
                return int(found.group(1))
        ids = [parent for node in nearest for parent in node.after if parent in by_id and parent not in seen]
        seen.update(ids)
        nearest = [by_id[parent] for parent in dict.fromkeys(ids)]
    return None
