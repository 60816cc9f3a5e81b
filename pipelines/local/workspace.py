"""Where a running study leaves what: the scratch folder of the local pipeline, read while it is written."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.shared.trial import HISTORY_FILE, STATUS_FILE, Status, Trial


@dataclass(frozen=True)
class Workspace:
    """The scratch folder of one local run: RUN/STEP/OUTPUT, and RUN/ITERATION/STEP/OUTPUT in the loop."""

    root: Path

    @property
    def log(self) -> Path:
        """What the pipeline and its steps print."""
        return self.root.parent / "run.log"

    @property
    def study(self) -> Path | None:
        """The study folder that compare_arms has filled; None until it has."""
        return next(iter(self.root.glob("*/compare-arms/study")), None)

    def first_trial(self) -> Trial | None:
        """The first trial that resolve_plan handed out; None until it has."""
        for path in self.root.glob("*/resolve-plan/executor_output.json"):
            with contextlib.suppress(ValueError):  # kfp is still writing it
                trials = json.loads(path.read_text())["parameterValues"]["Output"]
                return Trial.from_json(trials[0])
        return None

    def corpus_is_prepared(self) -> bool:
        """Whether trials can begin."""
        return any(self.root.glob("*/prepare-corpus/corpus"))

    def statuses(self) -> dict[tuple[str, int], Status]:
        """What is known of each trial that has begun, by arm and seed."""
        return {(status.arm, status.seed): status for status, _ in self._trials()}

    def progress(self) -> dict[tuple[str, int], tuple[int, dict[str, float]]]:
        """The last point of each trial's curves: step and metrics."""
        found = {}
        for status, folder in self._trials():
            if point := _last_point(folder / HISTORY_FILE):
                found[status.arm, status.seed] = point
        return found

    def _trials(self) -> Iterator[tuple[Status, Path]]:
        # A later step's status replaces an earlier one's, and what was finished before needed none.
        for place in ("*/*/train-trial/trained", "*/*/evaluate-trial/scored", "*/find-finished/finished/*"):
            for path in sorted(self.root.glob(f"{place}/{STATUS_FILE}")):
                yield Status.read(path.parent), path.parent


def _last_point(path: Path) -> tuple[int, dict[str, float]] | None:
    """The last whole line of a history."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2048))
        lines = [line for line in file.read().split(b"\n")[:-1] if line.startswith(b"{")]
    if not lines:
        return None
    point = json.loads(lines[-1])
    return point["step"], point["metrics"]
