"""The records that steps hand to each other: a trial, its status and curves, and the resolved plan.

A trial that fails does not fail its step: its status says why.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from ablation.plan.arms import Arm
from ablation.plan.plan import Plan, plan_from_mapping
from common.files import atomic_write
from components.shared.braces import restore
from recipes.plans import arms_of

STATUS_FILE = "status.json"
HISTORY_FILE = "history.jsonl"
COUNTS_FILE = "counts.parquet"
STATES_FOLDER = "unfinished"
CHECKPOINT_FOLDER = "checkpoint"  # of a trial: all files that its recipe writes
RESOLVED_FILE = "resolved.json"  # with the inputs of a study's run: the plan and its trials
CORPUS_FILE = "corpus.json"  # likewise: the summary of the corpus


@dataclass(frozen=True)
class Trial:
    """One item of the pipeline's loop: an arm, a seed, and the MLflow run of this trial.

    `fingerprint` names the checkpoint by everything that decides it, `evaluation` the word-error counts (see
    `tracking.fingerprint`). Both are empty until `find_finished`, since they depend on the content of the corpus. A `forced`
    trial is trained even if an earlier one has the same fingerprint. `opened` is the time at which the study was
    opened, in seconds since 1970. `unusable` says why a result of the same trial in MLflow cannot be used.
    """

    arm: str
    seed: int
    run_id: str
    study_run_id: str
    experiment_id: str
    opened: float
    fingerprint: str = ""
    evaluation: str = ""
    forced: bool = False
    unusable: str | None = None

    @property
    def folder(self) -> str:
        """The name of the trial's folder."""
        return f"{self.arm}-{self.seed}"

    def to_json(self) -> str:
        """Return the text that crosses the pipeline."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Trial":
        """Read the text that `to_json` returned."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Status:
    """The state of a trial: which steps are done, their results, and the reason of a failure.

    `status` is `running`, then `trained`, then `finished`; or `failed`, with the `reason` in one sentence. `untracked` is the
    error with which MLflow did not take a result, None if MLflow has everything. `reused_from` is the MLflow
    run that trained the checkpoint and `scored_by` the run that counted its errors, if an earlier study did so; the
    durations are those of that run then. `wer` maps a metric key, e.g. `wer/clean`, to a
    fraction. `started` and `ended` are in seconds since 1970, `train_seconds` and `evaluate_seconds` are durations. `unusable` says
    why a result of the same trial in MLflow was not used, so that it was trained or scored again.
    """

    arm: str
    seed: int
    run_id: str
    status: str = "running"
    reason: str | None = None
    parameters: int | None = None
    steps: int | None = None
    train_seconds: float | None = None
    evaluate_seconds: float | None = None
    wer: dict[str, float] | None = None
    fingerprint: str | None = None
    evaluation: str | None = None
    model_id: str | None = None
    untracked: str | None = None
    started: float | None = None
    ended: float | None = None
    reused_from: str | None = None
    scored_by: str | None = None
    unusable: str | None = None

    @property
    def failed(self) -> bool:
        """True if no step has to do anything more for this trial because it failed."""
        return self.status == "failed"

    @property
    def label(self) -> str:
        """The trial in words, with its outcome if it failed."""
        return f"{self.arm} seed {self.seed}{' (failed)' if self.failed else ''}"

    def fail(self, reason: str) -> "Status":
        """Return the same trial as failed, for a reason in one sentence."""
        return replace(self, status="failed", reason=reason)

    def write(self, folder: Path) -> "Status":
        """Write `status.json` as a whole into a folder, which is created if it is missing. Return the status itself."""
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(folder / STATUS_FILE, json.dumps(asdict(self), indent=1))
        return self

    @classmethod
    def read(cls, folder: Path) -> "Status":
        """Read the `status.json` of a folder."""
        return cls(**json.loads((folder / STATUS_FILE).read_text()))


@dataclass(frozen=True)
class Resolved:
    """The file from resolve_plan to every later step: the plan with all changes, and all trials."""

    plan: dict[str, Any]
    trials: list[str]

    def to_json(self) -> str:
        """Return the record as text."""
        return json.dumps(asdict(self), indent=1)

    def write(self, path: Path) -> None:
        """Write the record as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read the text that `to_json` returned."""
        return cls(**json.loads(text))

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a file that `write` wrote."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Todo(Resolved):
    """The file from find_finished to the steps of the loop: `trials` are those that are left, with their fingerprints.

    `finished` has the status of each trial that was finished before.
    """

    finished: list[dict[str, Any]] = field(default_factory=list)

    def statuses(self) -> list[Status]:
        """Return the statuses of the trials that were finished before."""
        return [Status(**record) for record in self.finished]


def read_history(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """Return the (step, metrics) pairs that training logged; [] if it logged none. A line cut short by a kill is left out."""
    path = folder / HISTORY_FILE
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    return [(item["step"], item["metrics"]) for item in map(json.loads, (x for x in lines if x.endswith("\n")))]


def plan_of(parameter: Mapping[str, Any]) -> Plan:
    """Read the plan from a pipeline parameter. Raises UserError.

    Kubeflow sends every number as a double. Whole numbers become integers again, which float settings accept as well. Texts with
    two braces have travelled with a mark (`components.shared.braces`).
    """
    return plan_from_mapping(_whole(restore(parameter)))


def arm_of(plan: Plan, name: str) -> Arm:
    """Return the arm of that name with its full settings."""
    return next(arm for arm in arms_of(plan) if arm.arm == name)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, (list, tuple)) else value
