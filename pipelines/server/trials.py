"""The trials of a run while it is waited for, as MLflow shows them. The server itself knows only steps and turns of a loop."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.redact import redact
from common.store_address import VARIABLE, enter

if TYPE_CHECKING:
    from tracking.progress import TrialProgress

SQLITE = "sqlite:///"
EVERY_S = 15.0  # an MLflow server with users takes about a second for an answer
AFTER_ERROR_S = 120.0
RETRIES, TIMEOUT_S = 1, 10
NAMED = 12  # names in one line
ORDER = ("finished", "running", "failed", "stopped", "waiting")


def store() -> str | None:
    """Return the address of MLflow as this machine reaches it; None if there is none, because reading must not create one."""
    given = os.environ.get(VARIABLE)
    uri = enter(given) if given else None
    return None if uri and uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).is_file() else uri


class Trials:
    """The trials of one run. A store that is away costs their names and nothing else; `say` hears of it once."""

    def __init__(self, uri: str | None, run: str, say: Callable[[str], None]) -> None:
        self.uri, self.run, self._say = uri, run, say
        self._known: list[TrialProgress] = []
        self._next = 0.0
        self._said = False

    def now(self, *, at_once: bool = False) -> Sequence["TrialProgress"]:
        """Return the trials, at most `EVERY_S` seconds old unless `at_once`; those known last if the store does not answer."""
        if self.uri is None:
            self._once(f"trials are not named: set {VARIABLE} to the MLflow server as this machine reaches it")
        elif at_once or time.monotonic() >= self._next:
            self._next = time.monotonic() + (EVERY_S if self._asked() else AFTER_ERROR_S)
        return self._known

    def _asked(self) -> bool:
        from tracking.probe import check_answers
        from tracking.timeouts import use_short_timeouts

        use_short_timeouts(RETRIES, TIMEOUT_S)
        try:
            check_answers(self.uri or "")
            from tracking.progress import study_progress

            self._known = study_progress(self.uri or "", self.run)
        except Exception as error:  # MLflow's client has no common class for its errors
            self.failed(error)
            return False
        return True

    def failed(self, error: Exception) -> None:
        """Say once that MLflow does not answer."""
        self._once(f"trials may be out of date: MLflow at {redact(self.uri or '')} does not answer: {why(error)}")

    def _once(self, line: str) -> None:
        if not self._said:
            self._said = True
            self._say(line)


def why(error: Exception) -> str:
    """Return the first line of an error of MLflow, without passwords."""
    return (redact(str(error)).splitlines() or [type(error).__name__])[0][:200]


def label(trial: "TrialProgress") -> str:
    """Return arm and seed."""
    return f"{trial.arm} seed {trial.seed}"


def counted(trials: Sequence["TrialProgress"]) -> str:
    """Return e.g. "3 finished, 1 failed"; empty without trials."""
    states: Counter[str] = Counter(trial.state for trial in trials)
    return ", ".join(f"{states[state]} {state}" for state in ORDER if states[state])


def names(trials: Sequence["TrialProgress"]) -> str:
    """Return the names of trials, shortened if there are many."""
    shown = ", ".join(label(trial) for trial in trials[:NAMED])
    return shown if len(trials) <= NAMED else f"{shown} and {len(trials) - NAMED} more"
