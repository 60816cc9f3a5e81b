"""What is said about a trial between the steps: which one it is, and what became of it. Failure is data here."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ablation.plan.arms import Arm, expand
from ablation.plan.plan import Plan, plan_from_mapping
from recipes.smile import CATALOGUE

STATUS_FILE = "status.json"
HISTORY_FILE = "history.jsonl"
COUNTS_FILE = "counts.parquet"
STATES_FOLDER = "unfinished"


@dataclass(frozen=True)
class Trial:
    """One item of the loop over trials: an arm, a seed, and the MLflow run that is theirs.

    `fingerprint` and `evaluation` name what it comes to, its checkpoint and its counts (see `tracking.fingerprint`); both are
    empty until `find_finished`, since the corpus counts.
    `forced` trials are trained whatever is there; `done` ones need no step any more. `opened` is when the study was, in
    seconds since 1970.
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
    done: bool = False

    def to_json(self) -> str:
        """As it crosses the pipeline."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Trial":
        """What `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Status:
    """What became of a trial; `reason` is why it failed, `untracked` why MLflow does not know all of it yet.

    `status` goes from running over trained to finished, or to failed; `reused` is a step's word for a trial that
    needed none. `reused_from` is the run that trained the checkpoint and `scored_by` the one that counted, where this one
    did not; durations are theirs, then. `wer` is per condition, by metric key. Times are in seconds since 1970.
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

    @property
    def failed(self) -> bool:
        """Nothing more is to be done for this trial."""
        return self.status == "failed"

    @property
    def label(self) -> str:
        """What Kubeflow's pages call the trial's artifacts."""
        return f"{self.arm} seed {self.seed}{' (failed)' if self.failed else ''}"

    def plain_wer(self) -> dict[str, float]:
        """WER per condition under names that need no quotes anywhere: `wer_clean`, `wer_babble_0db`."""
        return {key.replace("/", "_"): value for key, value in (self.wer or {}).items()}

    def fail(self, reason: str) -> "Status":
        """The same trial, failed."""
        return replace(self, status="failed", reason=reason)

    def write(self, folder: Path) -> None:
        """Write `status.json`, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f".{STATUS_FILE}.part"
        beside.write_text(json.dumps(asdict(self), indent=1))
        beside.replace(folder / STATUS_FILE)

    @classmethod
    def read(cls, folder: Path) -> "Status":
        """What `write` left in a folder."""
        return cls(**json.loads((folder / STATUS_FILE).read_text()))


@dataclass(frozen=True)
class Resolved:
    """What resolve_plan hands to every later step, as a file: the plan with all changes, and the items of the loop."""

    plan: dict[str, Any]
    trials: list[str]

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path | str) -> "Resolved":
        """What `write` wrote."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))


def read_history(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """(step, metrics) pairs that training logged; [] where it logged nothing. A line cut short by a kill is left out."""
    path = folder / HISTORY_FILE
    lines = path.read_text().splitlines(keepends=True) if path.is_file() else []
    return [(item["step"], item["metrics"]) for item in map(json.loads, (x for x in lines if x.endswith("\n")))]


def plan_of(parameter: Mapping[str, Any]) -> Plan:
    """The plan as a pipeline parameter. Raises UserError.

    Kubeflow sends every number as a double; whole ones become integers again, which settings take for a float, too.
    """
    return plan_from_mapping(_whole(parameter))


def arm_of(plan: Plan, name: str) -> Arm:
    """The arm of that name with its full settings."""
    return next(arm for arm in expand(plan, CATALOGUE) if arm.arm == name)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, (list, tuple)) else value
