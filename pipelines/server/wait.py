"""Waits for a run on a Kubeflow Pipelines server, and for the server itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from pipelines.server.client import Server
from pipelines.server.errors import ServerFailed, Unreachable
from pipelines.server.runs import OPEN, Run
from pipelines.server.step_states import in_words, step_states
from pipelines.server.view import View

T = TypeVar("T")

POLL_S = 5.0
LONGEST_PAUSE_S = 60.0
PATIENCE_S = 600.0  # without an answer, or in an unknown state
LATER_LOOKS = 3  # after the end: the server stores the state of a run before those of its steps


class Lost(Exception):
    """The waiting ended, and the run may continue; the text gives the reason."""


@dataclass(frozen=True)
class Clock:
    """The time between two requests, and the longest time without an answer."""

    poll_s: float = POLL_S
    patience_s: float = PATIENCE_S


def wait(server: Server, run: str, view: View, *, deadline: float | None, clock: Clock) -> Run:
    """Return the run after its end, in any state. Raises Lost, and UserError if the server no longer gives the run.

    `deadline` is in seconds of `time.monotonic`; None means no deadline.
    """
    unknown_since: float | None = None
    stopped = False
    while True:
        found = patiently(lambda: server.run(run), view.say, deadline, clock)
        stopped |= found.stopped
        if found.ended:
            found = _settled(server, found, view, deadline, clock)
        view.update(found)
        if found.ended:
            return replace(found, stopped=stopped)
        if found.state in OPEN:
            unknown_since = None
        else:
            unknown_since = time.monotonic() if unknown_since is None else unknown_since
            if time.monotonic() - unknown_since >= clock.patience_s:
                raise Lost(f"the run is in state {found.state!r}, which `ablate` does not know")
        if deadline is not None and time.monotonic() >= deadline:
            raise Lost(f"the time of --timeout is over, and the run is {in_words(found.state)}")
        time.sleep(clock.poll_s)


def _settled(server: Server, found: Run, view: View, deadline: float | None, clock: Clock) -> Run:
    """Return an ended run after its steps have ended too, as far as the server ever records that."""
    for _ in range(LATER_LOOKS):
        if not any(step.unrecorded for step in step_states(found, view.steps)):
            break
        time.sleep(clock.poll_s)
        found = patiently(partial(server.run, found.id), view.say, deadline, clock)
    return found


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
