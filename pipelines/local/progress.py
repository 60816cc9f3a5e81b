"""The display of a local run: one line per trial on a terminal, one line per event in a log."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from ablation.stats.metrics import METRICS
from components.shared import outage
from components.shared.trial import STATES_FOLDER, Status
from pipelines.display import Display, Row
from pipelines.local.deaths import deaths
from pipelines.local.remaining import Remaining
from pipelines.local.workspace import Workspace

Key = tuple[str, int]
Point = tuple[int, Mapping[str, float]]  # the step, and its metrics
Points = Mapping[Key, Point]
FIRST = (
    "running",
    "trained",
    "failed",
    "finished",
    "waiting",
)  # kept in this order where a terminal is too low for all
FRAME = 3  # lines of a terminal that are not trials: the stage, the count of hidden trials, and the cursor
TRAINING = 0.9  # the share of a trial's time, about: the rest is scoring
COMPARING = "comparing the arms"


class Progress(Display):
    """Context manager; call `update` repeatedly. `steps` maps an arm to its number of training steps, or to None."""

    def __init__(
        self,
        console: Console,
        trials: Sequence[Key],
        steps: Mapping[str, int | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(console)
        self.trials, self.steps = trials, steps
        self._said, self._ended, self._time = set[str](), set[Key](), Remaining(clock)

    def update(self, workspace: Workspace) -> None:
        """Read the run's scratch folder and show what has changed."""
        statuses = workspace.statuses()
        stage = self._stage(workspace, statuses)
        for number, death in enumerate(deaths(workspace.root)):
            self._say_once(death.sentence(), f"death {number}")
        for line in outage.lines(workspace.problems, workspace.root.parent / STATES_FOLDER):
            self._say_once(line)
        if self.on_terminal:
            points = workspace.progress()
            self.draw(f"{stage}{self._times(statuses, points)}", self._rows(statuses, points))
            return
        if stage != COMPARING:  # the last trial's line comes first
            self._say_once(stage)
        for key in (key for key in self.trials if key in statuses):
            self._say_trial(key, statuses[key])
        self._say_once(stage)

    def _say_trial(self, key: Key, status: Status) -> None:
        """Say a trial's state once; at its end with the number of trials that have ended, and the elapsed time."""
        name, line = f"{key[0]} seed {key[1]}", describe(status)
        if status.status in ("finished", "failed") and key not in self._ended:
            self._ended.add(key)
            count = f"{len(self._ended)} of {len(self.trials)} done, {self._time.elapsed()}"
            self._say_once(f"{name}: {line} ({count})", name)
        elif key not in self._ended:
            self._say_once(f"{name}: {line}")

    def _stage(self, workspace: Workspace, statuses: Mapping[Key, Status]) -> str:
        ended = sum(status.status in ("finished", "failed") for status in statuses.values())
        if not workspace.corpus_is_prepared():
            return "checking the plan" if workspace.first_trial() is None else "preparing the corpus"
        if ended == len(self.trials):
            return COMPARING
        return f"trials: {ended} of {len(self.trials)} done" if self.on_terminal else "running the trials"

    def _times(self, statuses: Mapping[Key, Status], points: Points) -> str:
        """Return the elapsed time, and the time that is left once it can be told."""
        done = sum(self._share(status, points.get(key)) for key, status in statuses.items())
        left = self._time.left(done, len(self.trials)) if statuses else None
        return f", {self._time.elapsed()}" + (f", about {left} left" if left else "")

    def _share(self, status: Status, point: Point | None) -> float:
        """Return the part of a trial that is done."""
        if status.status != "running":
            return TRAINING if status.status == "trained" else 1.0
        steps = self.steps[status.arm]
        return TRAINING * (point[0] + 1) / steps if point and steps else 0.0

    def _rows(self, statuses: Mapping[Key, Status], points: Points) -> list[Row]:
        shown, hidden = self._fitting(statuses)
        rows = [self._row(key, statuses.get(key), points.get(key)) for key in shown]
        return [*rows, Row("", f"not shown: {hidden}", "dim")] if hidden else rows

    def _row(self, key: Key, status: Status | None, point: Point | None) -> Row:
        words = "waiting" if status is None else describe(status)
        if status is not None and status.status == "running" and point:
            step, metrics = point
            loss = f", loss {metrics['loss']:.3f}" if "loss" in metrics else ""
            number = self.steps[key[0]]
            words = f"training, step {step + 1}{f' of {number}' if number else ''}{loss}"
        return Row(f"{key[0]} seed {key[1]}", words, _style(status))

    def _fitting(self, statuses: Mapping[Key, Status]) -> tuple[Sequence[Key], str]:
        """Return the trials that the terminal has lines for, in their order, and the states of the others in words."""
        room = max(self.console.size.height - FRAME, 1)
        if len(self.trials) <= room:
            return self.trials, ""
        states = {key: statuses[key].status if key in statuses else "waiting" for key in self.trials}
        kept = {*sorted(self.trials, key=lambda key: FIRST.index(states[key]))[:room]}
        others = Counter(state for key, state in states.items() if key not in kept)
        said = ", ".join(f"{others[state]} {state}" for state in FIRST if others[state])
        return [key for key in self.trials if key in kept], said

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
        how = "used again" if status.scored_by else "scored again" if status.reused_from else "finished"
        return f"{how}{''.join(rates[:1])}"
    if status.status == "failed":
        return f"failed: {status.reason}"
    return "training" if status.status == "running" else "trained, now being scored"


def _style(status: Status | None) -> str:
    return {"failed": "red", "finished": "green"}.get(status.status, "") if status else "dim"
