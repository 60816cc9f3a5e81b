"""Progress of a run on a Kubeflow server: a table on a terminal, else one line per event."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.display import Display, Row
from pipelines.package.steps import Steps
from pipelines.server.runs import Run
from pipelines.server.step_states import StepState, in_words, step_states
from pipelines.server.trials import Trials, counted, label

if TYPE_CHECKING:
    from tracking.progress import TrialProgress

ROWS = 16  # of trials on a terminal
SHOWN = ("failed", "stopped", "running")  # on a terminal; a log shows finished trials too
STYLES = {"SUCCEEDED": "green", "SKIPPED": "green", "FAILED": "red", "CANCELED": "red"} | {
    "failed": "red",
    "stopped": "red",
}


class View(Display):
    """Context manager. `update` shows the run, its steps, and its trials by arm, seed and reason.

    `plugin_said` is True if a failed plugin of the server has been shown already.
    """

    def __init__(self, console: Console, steps: Steps, *, plugin_said: bool = False) -> None:
        super().__init__(console)
        self.steps = steps
        self.trials: Trials | None = None
        self._shown: dict[str, str] = {}
        self._plugin_said = plugin_said

    def update(self, run: Run) -> None:
        """Show the changes since the last call."""
        if run.plugin_failure and not self._plugin_said:
            self._plugin_said = True
            self.say(plugin_note(run))
        states = step_states(run, self.steps)
        if not self.on_terminal:
            self._events({"run": in_words(run.state)} | {state.name: state.words for state in states})
        trials = self.trials.now() if self.trials and run.tasks else ()
        if self.on_terminal:
            self.draw(f"run {in_words(run.state)}", _rows(states, trials))
            return
        self._events({label(trial): _in_words(trial) for trial in trials if trial.state != "waiting"})

    def _events(self, texts: Mapping[str, str]) -> None:
        for name, text in texts.items():
            if self._shown.get(name) != text:
                self._shown[name] = text
                self.say(f"{name}: {text}")


def plugin_note(run: Run) -> str:
    """Return a line about the failed MLflow plugin of the server."""
    return f"the server's MLflow plugin failed ({run.plugin_failure}); the study's own runs in MLflow do not need it"


def _in_words(trial: "TrialProgress") -> str:
    return f"{trial.state}: {trial.reason}" if trial.reason else trial.state


def _rows(states: Sequence[StepState], trials: Sequence["TrialProgress"]) -> list[Row]:
    rows = [Row(state.name, state.words, STYLES.get(state.state, "")) for state in states]
    if trials:
        rows.append(Row("trials", counted(trials)))
    listed = sorted((trial for trial in trials if trial.state in SHOWN), key=lambda trial: SHOWN.index(trial.state))
    return [*rows, *(Row(label(trial), _in_words(trial), STYLES.get(trial.state, "")) for trial in listed[:ROWS])]
