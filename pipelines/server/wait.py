"""Wait for a run on a Kubeflow Pipelines server, and show what happens to it."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Self, TypeVar

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipelines.server.client import Run, Server, Task
from pipelines.server.errors import ServerFailed, Unreachable

T = TypeVar("T")

POLL_S = 5.0
LONGEST_PAUSE_S = 60.0
PATIENCE_S = 600.0  # without an answer, or in a state that nobody has heard of
ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"}
GOES_ON = {"", "RUNTIME_STATE_UNSPECIFIED", "PENDING", "RUNNING", "CANCELING", "PAUSED"}
STYLES = {"SUCCEEDED": "green", "SKIPPED": "green", "FAILED": "red", "CANCELED": "red"}


class Lost(Exception):
    """Nobody waits any longer, and the run may well go on; the text says why."""


@dataclass(frozen=True)
class Clock:
    """How often to ask, and how long to put up with no answer."""

    poll_s: float = POLL_S
    patience_s: float = PATIENCE_S


def wait(server: Server, run: str, view: "View", *, deadline: float | None, clock: Clock) -> Run:
    """The run once it has ended, in whatever state. Raises Lost, and UserError where it can no longer be asked for.

    `deadline` is in seconds of `time.monotonic`; None is never.
    """
    strange_since: float | None = None
    while True:
        found = patiently(lambda: server.run(run), view.say, deadline, clock)
        view.update(found)
        if found.state in ENDED or (found.ended and found.state not in GOES_ON):
            return found
        if found.state in GOES_ON:
            strange_since = None
        else:
            strange_since = time.monotonic() if strange_since is None else strange_since
            if time.monotonic() - strange_since >= clock.patience_s:
                raise Lost(f"the run is in state {found.state!r}, which is none that `ablate` knows")
        if deadline is not None and time.monotonic() >= deadline:
            raise Lost(f"the time of --timeout is over, and the run is {worded(found.state)}")
        time.sleep(clock.poll_s)


def patiently(ask: Callable[[], T], say: Callable[[str], None], deadline: float | None, clock: Clock) -> T:
    """One answer, however often that has to be asked for: servers restart, and connections break. Raises Lost."""
    pause, since = clock.poll_s, time.monotonic()
    while True:
        try:
            return ask()
        except (Unreachable, ServerFailed) as error:
            if time.monotonic() - since >= clock.patience_s:
                raise Lost(f"no answer for {clock.patience_s / 60:.0f} minutes; the last try: {error}") from error
            if deadline is not None and time.monotonic() >= deadline:
                raise Lost(f"the time of --timeout is over; the last try: {error}") from error
            say(f"no answer, trying again: {error}")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


def worded(state: str) -> str:
    """The server's word, as people write it."""
    return "not started" if state in ("", "RUNTIME_STATE_UNSPECIFIED") else state.lower().replace("_", " ")


def failures(run: Run, view: "View") -> list[str]:
    """Every step that has failed or was stopped, with what the server says of it."""
    return [
        f"{label}: {worded(task.state)}{': ' + task.error if task.error else ''}"
        for label, task in view.labelled(run.tasks)
        if task.state in ("FAILED", "CANCELED")
    ]


class View:
    """Context manager. A table on a terminal, else one line per event.

    A server tells trials apart by their turn in the loop alone, and finished ones are left out of that. `names` says which they
    are, from 0; it is asked once the loop has begun, and trials that it does not know are numbered.
    """

    def __init__(self, console: Console, steps: Sequence[str], names: Callable[[], Mapping[int, str]] = dict) -> None:
        self.console, self.steps, self.names = console, steps, cache(names)
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._said: dict[str, str] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def update(self, run: Run) -> None:
        """Show what has changed."""
        states = {"run": run.state} | {label: task.state for label, task in self.labelled(run.tasks)}
        if self._live:
            self._live.update(self._table(states))
            return
        for label, state in states.items():
            if self._said.get(label) != state:
                self._said[label] = state
                self.say(f"{label}: {worded(state)}")

    def say(self, line: str) -> None:
        """A line that stays."""
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def labelled(self, tasks: Sequence[Task]) -> list[tuple[str, Task]]:
        """The pipeline's own steps, each with its name; in the loop they are told apart by their trial."""
        by_id = {task.id: task for task in tasks}
        return [(self._label(task.name, iteration(task, by_id)), task) for task in tasks if task.name in self.steps]

    def _label(self, step: str, place: int | None) -> str:
        return step if place is None else f"{self.names().get(place, f'trial {place + 1}')} {step}"

    def _table(self, states: Mapping[str, str]) -> Table:
        grid = Table.grid(padding=(0, 2))
        grid.add_row(Spinner("dots"), Text(f"run {worded(states['run'])}", style="bold"))
        for label, state in states.items():
            if label != "run":
                grid.add_row("", label, Text(worded(state), style=STYLES.get(state, "")))
        return grid


LOOPED = ("train-trial", "evaluate-trial")
PLACE = re.compile(r"^iteration.*?\(?(\d+)(?::\d+)?\)?$")


def iteration(task: Task, by_id: Mapping[str, Task]) -> int | None:
    """Which turn of the loop a step of the loop belongs to, counted from 0; None where the server does not say."""
    if task.name not in LOOPED:
        return None
    seen, nearest = {task.id}, [task]
    while nearest:
        for node in nearest:
            if found := PLACE.match(node.name):
                return int(found.group(1))
        ids = [parent for node in nearest for parent in node.after if parent in by_id and parent not in seen]
        seen.update(ids)
        nearest = [by_id[parent] for parent in dict.fromkeys(ids)]
    return None
