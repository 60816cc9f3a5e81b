"""The scratch folder of a running study: the places where the steps put what they make, read while they write."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.shared.trial import HISTORY_FILE, STATUS_FILE, Resolved, Status, Todo, Trial
from pipelines.local.deaths import FOLDER as DEATHS
from pipelines.local.deaths import deaths
from pipelines.local.paths import STUDY
from pipelines.local.step import RUN_FILE

VISIBLE = "[!.]*"  # files are written in hidden folders, which vanish while a search reads them
ITERATIONS = "for-loop-*"  # kfp's folders for the iterations of the loop
REPORTING = ("compare-arms", "close-study")  # the steps that write a report, the better one first
STEP_OUTPUT = "executor_output.json"  # kfp writes it when a step has ended without an error
TAIL_BYTES = 2048  # more than one line of a history


@dataclass(frozen=True)
class Workspace:
    """The scratch folder of one local run: RUN/STEP/OUTPUT, and RUN/ITERATION/STEP/OUTPUT in the loop."""

    root: Path

    @property
    def log(self) -> Path:
        """The output of the pipeline and its steps."""
        return self.root.parent / "run.log"

    @property
    def problems(self) -> Path:
        """The folder in which steps say why they failed."""
        return self.root / "problems"

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of the pipeline and its steps."""
        return self.root / "tmp"

    @property
    def study(self) -> Path | None:
        """The study folder that a step has filled; None until it has ended. close_study fills it if compare_arms could not."""
        ended = [path for step in REPORTING for path in self.root.glob(f"{VISIBLE}/{step}/{STEP_OUTPUT}")]
        return next((path.parent / "study" for path in ended if (path.parent / "study" / STUDY).is_file()), None)

    @property
    def copies(self) -> Path:
        """The folder in which steps keep copies of what they store in MLflow."""
        return self.root / "copies"

    @property
    def kfp_run(self) -> str | None:
        """The id of the pipeline's run, which its study in MLflow has as a tag; None until the first step starts."""
        return self.kfp_run_file.read_text() if self.kfp_run_file.is_file() else None

    @property
    def kfp_run_file(self) -> Path:
        """The file with that id. It is there as long as the study may have open runs in MLflow."""
        return self.root / RUN_FILE

    @property
    def in_containers(self) -> bool:
        """True if the steps are containers."""
        with contextlib.suppress(OSError, ValueError):
            return bool(json.loads(self.request.read_text())["containers"])
        return False

    @property
    def request(self) -> Path:
        """The file that says what the pipeline has to do."""
        return self.root / "request.json"

    def lost_trials(self) -> list[str]:
        """Return the trials whose step was killed for the last time, as people read them."""
        places = [self.root / death.place for death in deaths(self.root) if death.last]
        found = [
            Status.read(path.parent) for place in places for path in place.glob(f"{VISIBLE}/{VISIBLE}/{STATUS_FILE}")
        ]
        return [status.label for status in found if status.status not in ("finished", "failed")]

    def first_trial(self) -> Trial | None:
        """Return the first trial that resolve_plan has opened; None until it has ended."""
        for path in self.root.glob(f"{VISIBLE}/resolve-plan/{STEP_OUTPUT}"):
            return Trial.from_json(Resolved.read(path.parent / "resolved").trials[0])
        return None

    def corpus_is_prepared(self) -> bool:
        """Return whether trials can begin."""
        return any(self.root.glob(f"{VISIBLE}/prepare-corpus/{STEP_OUTPUT}"))

    def unfinished_steps(self) -> list[str]:
        """Return the steps that have begun and not ended without an error, in the order in which they began."""
        ours = (self.problems, self.temporary, self.copies, self.root / DEATHS)
        runs = [path for path in self.root.glob(f"{VISIBLE}/") if path not in ours]
        begun = [
            path for run in runs for place in (f"{VISIBLE}/", f"{ITERATIONS}/{VISIBLE}/") for path in run.glob(place)
        ]
        left = [path for path in begun if not path.match(ITERATIONS) and not (path / STEP_OUTPUT).is_file()]
        return [path.name for path in sorted(left, key=lambda path: path.stat().st_mtime_ns)]

    def statuses(self) -> dict[tuple[str, int], Status]:
        """Return the state of each trial that has begun, by arm and seed."""
        return {(status.arm, status.seed): status for status, _ in self._trials()}

    def progress(self) -> dict[tuple[str, int], tuple[int, dict[str, float]]]:
        """Return the last point of each trial's curves: step and metrics."""
        found = {}
        for status, folder in self._trials():
            if point := _last_point(folder / HISTORY_FILE):
                found[status.arm, status.seed] = point
        return found

    def _trials(self) -> Iterator[tuple[Status, Path]]:
        # The status of a later step replaces that of an earlier one. Trials that had finished before passed no step.
        for place in ("train-trials/trained", "evaluate-trials/scored"):
            for path in sorted(self.root.glob(f"{VISIBLE}/{VISIBLE}/{place}/{VISIBLE}/{STATUS_FILE}")):
                yield Status.read(path.parent), path.parent
        for path in self.root.glob(f"{VISIBLE}/find-finished/{STEP_OUTPUT}"):
            for status in Todo.read(path.parent / "todo").statuses():
                yield status, path.parent


def _last_point(path: Path) -> tuple[int, dict[str, float]] | None:
    """Return the last complete line of a history; None if there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        lines = [line for line in file.read().split(b"\n")[:-1] if line.startswith(b"{")]
    if not lines:
        return None
    point = json.loads(lines[-1])
    return point["step"], point["metrics"]
