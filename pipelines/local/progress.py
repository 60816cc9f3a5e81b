"""What a person sees while a study runs: one line per trial on a terminal, one line per event in a log."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from components.shared.trial import Status
from pipelines.local.workspace import Workspace

Key = tuple[str, int]


class Progress:
    """Context manager; call `update` every now and then. `steps` maps an arm to its training steps."""

    def __init__(self, console: Console, trials: Sequence[Key], steps: Mapping[str, int]) -> None:
        self.console, self.trials, self.steps = console, trials, steps
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def update(self, workspace: Workspace) -> None:
        """Look at the run's folder and show what has changed."""
        statuses = workspace.statuses()
        stage = self._stage(workspace, statuses)
        if self._live:
            self._live.update(self._table(stage, statuses, workspace))
            return
        self._say(stage)
        for key in self.trials:
            if key in statuses:
                self._say(f"{key[0]} seed {key[1]}: {describe(statuses[key])}")

    def _stage(self, workspace: Workspace, statuses: Mapping[Key, Status]) -> str:
        ended = sum(status.status in ("finished", "failed") for status in statuses.values())
        if not workspace.corpus_is_prepared():
            return "checking the plan" if workspace.first_trial() is None else "preparing the corpus"
        if ended == len(self.trials):
            return "comparing the arms"
        return f"trials: {ended} of {len(self.trials)} done" if self._live else "running the trials"

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
                text = f"training, step {step + 1} of {self.steps[key[0]]}{loss}"
            grid.add_row("", f"{key[0]} seed {key[1]}", Text(text, style=_style(status)))
        return grid

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.console.print(line, highlight=False, soft_wrap=True, markup=False)


def describe(status: Status) -> str:
    """A trial's state in a few words."""
    if status.status == "finished":
        overall = "" if status.wer is None else f", WER {100 * status.wer['wer/clean']:.1f} % clean"
        return f"finished{overall}"
    if status.status == "failed":
        return f"failed: {status.reason}"
    return "training" if status.status == "running" else "trained, now scored"


def _style(status: Status | None) -> str:
    return {"failed": "red", "finished": "green"}.get(status.status, "") if status else "dim"
