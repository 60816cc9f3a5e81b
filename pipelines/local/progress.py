"""The display of a local run: one line per trial on a terminal, one line per event in a log."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ablation.stats.metrics import METRICS
from components.shared import outage
from components.shared.trial import STATES_FOLDER, Status
from pipelines.display import Display
from pipelines.local.deaths import deaths
from pipelines.local.workspace import Workspace

Key = tuple[str, int]


class Progress(Display):
    """Context manager; call `update` repeatedly. `steps` maps an arm to its number of training steps, or to None."""

    def __init__(self, console: Console, trials: Sequence[Key], steps: Mapping[str, int | None]) -> None:
        super().__init__(console)
        self.trials, self.steps = trials, steps
        self._said: set[str] = set()

    def update(self, workspace: Workspace) -> None:
        """Read the run's scratch folder and show what has changed."""
        statuses = workspace.statuses()
        stage = self._stage(workspace, statuses)
        for number, death in enumerate(deaths(workspace.root)):
            self._say_once(death.sentence(), f"death {number}")
        for line in outage.lines(workspace.problems, workspace.root.parent / STATES_FOLDER):
            self._say_once(line)
        if self.on_terminal:
            self.draw(self._table(stage, statuses, workspace))
            return
        self._say_once(stage)
        for key in self.trials:
            if key in statuses:
                self._say_once(f"{key[0]} seed {key[1]}: {describe(statuses[key])}")

    def _stage(self, workspace: Workspace, statuses: Mapping[Key, Status]) -> str:
        ended = sum(status.status in ("finished", "failed") for status in statuses.values())
        if not workspace.corpus_is_prepared():
            return "checking the plan" if workspace.first_trial() is None else "preparing the corpus"
        if ended == len(self.trials):
            return "comparing the arms"
        return f"trials: {ended} of {len(self.trials)} done" if self.on_terminal else "running the trials"

    def _table(self, stage: str, statuses: Mapping[Key, Status], workspace: Workspace) -> Table:
        points = workspace.progress()
        grid = Table.grid(padding=(0, 2))
        grid.add_row(Spinner("dots"), Text(stage, style="bold"))
        for key in self.trials:
            status = statuses.get(key)
            text = "waiting" if status is None else describe(status)
            if status is not None and status.status == "running" and key in points:
                step, metrics = points[key]
                loss = f", loss {metrics['loss']:.3f}" if "loss" in metrics else ""
                number = self.steps[key[0]]
                text = f"training, step {step + 1}{f' of {number}' if number else ''}{loss}"
            grid.add_row("", f"{key[0]} seed {key[1]}", Text(text, style=_style(status)))
        return grid

    def _say_once(self, line: str, name: str = "") -> None:
        """Say a line unless one of the same name has been said; lines without a name are named by themselves."""
        if (name or line) not in self._said:
            self._said.add(name or line)
            self.say(line)


def describe(status: Status) -> str:
    """Return a trial's state in a few words."""
    if status.status == "finished":
        rates = [
            f", {metric.short} {100 * rate:.1f} % clean"
            for metric in METRICS.values()
            if (rate := (status.wer or {}).get(f"{metric.name}/clean")) is not None
        ]
        return f"finished{''.join(rates[:1])}"
    if status.status == "failed":
        return f"failed: {status.reason}"
    return "training" if status.status == "running" else "trained, now being scored"


def _style(status: Status | None) -> str:
    return {"failed": "red", "finished": "green"}.get(status.status, "") if status else "dim"
