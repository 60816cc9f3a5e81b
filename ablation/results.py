"""The folder of a study, as the step `compare_arms` writes it.

study.json       arms, trials with their status, corpus, provenance, tracking
counts.parquet   errors in words and characters per arm, seed, condition and utterance, with the reference and the hypothesis
curves.parquet   what training logged: arm, seed, step, metric, value
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from ablation.plan.naming import NamedChange
from ablation.stats.metrics import METRICS, WER
from common.errors import UserError
from common.files import atomic_write
from common.validation import sentence

STUDY, COUNTS_FILE, CURVES_FILE = "study.json", "counts.parquet", "curves.parquet"
TEXTS = ["reference", "hypothesis"]
COUNTS_COLUMNS = ["arm", "seed", "condition", "utterance_id", "speaker", *WER.columns, *TEXTS]
CURVES_COLUMNS = ["arm", "seed", "step", "metric", "value"]


def detail_columns() -> list[str]:
    """Return the columns that the tables of older studies may lack: those of other metrics than WER, and alignments."""
    return [
        *(column for metric in METRICS.values() if metric is not WER for column in metric.columns),
        *(metric.alignment for metric in METRICS.values() if metric.alignment),
    ]


DETAIL_COLUMNS = detail_columns()


class Record(BaseModel):
    """A part of study.json. Unknown keys, as of later versions, are ignored; missing optional keys take their defaults."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ArmRecord(Record):
    """An arm of the study; the baseline has no part, and its overrides are empty.

    `changes` names the overrides for sentences. Folders of older versions do not have it.
    """

    arm: str
    part: str | None = None
    action: str | None = None
    why: str = ""
    overrides: dict[str, Any] = {}
    changes: list[NamedChange] = []


class TrialRecord(Record):
    """The outcome of one arm with one seed. `reason` says why a failed trial failed.

    `started` and `ended` are in seconds since 1970. `reused_from` is the MLflow run that trained its checkpoint before, and
    `scored_by` the one that counted its errors; None where this study did, so that the seconds are the study's own.
    `fingerprint` names the checkpoint and `evaluation` the counts by everything that decides them. `model_id` is the checkpoint
    in MLflow. `wer` maps a metric key, e.g. `wer/clean`, to a fraction. `untracked` is an error that MLflow returned.
    """

    arm: str
    seed: int
    status: Literal["finished", "failed"]
    reason: str | None = None
    run_id: str | None = None
    parameters: int | None = None
    train_seconds: float | None = None
    evaluate_seconds: float | None = None
    steps: int | None = None
    started: float | None = None
    ended: float | None = None
    reused_from: str | None = None
    scored_by: str | None = None
    fingerprint: str | None = None
    evaluation: str | None = None
    model_id: str | None = None
    wer: dict[str, float] | None = None
    untracked: str | None = None


class ArmFacts(Record):
    """Measurements of an arm's model before training.

    `parameters` counts trained values, those of the output units for a small vocabulary. `masked` has, per input, the `fraction`
    of the frames that are masked and `run`, the mean length of a masked run in frames.
    """

    parameters: int
    masked: dict[str, dict[str, float]] = {}


class Measured(Record):
    """Measurements of all arms by name; `same` lists groups of arms that compute the same function."""

    arms: dict[str, ArmFacts] = {}
    same: list[list[str]] = []
    warnings: list[str] = []


class Study(Record):
    """study.json. `conditions` has `clean` first; `wall_seconds` is per stage of the pipeline.

    `settings` are the full settings of the baseline. `hygiene` is None in folders of older versions. The first of `metrics` is
    the one that verdicts come from. `margin_points` is the margin of the equivalence tests; None tests no equivalence.
    """

    study: str
    question: str = ""
    preset: str
    corpus: dict[str, Any]
    seeds: list[int]
    conditions: list[str]
    metrics: list[str] = ["wer"]
    margin_points: float | None = None
    baseline: str = "baseline"
    max_failed_trials: int = 0
    arms: list[ArmRecord]
    trials: list[TrialRecord]
    hygiene: Measured | None = None
    provenance: dict[str, Any] = {}
    mlflow: dict[str, Any] | None = None
    created: str = ""
    wall_seconds: dict[str, float] = {}
    settings: dict[str, Any] = {}

    def of(self, arm: str) -> list[TrialRecord]:
        """Return the trials of an arm, by seed."""
        return sorted((trial for trial in self.trials if trial.arm == arm), key=lambda trial: trial.seed)

    def failed(self) -> list[TrialRecord]:
        """Return the trials that failed, arm by arm in the study's order."""
        order = [arm.arm for arm in self.arms]
        failed = [trial for trial in self.trials if trial.status == "failed"]
        return sorted(failed, key=lambda trial: (order.index(trial.arm), trial.seed))


def read_study(folder: Path) -> Study:
    """Read a study's `study.json`. Raises UserError if it is missing or cannot be read."""
    path = folder / STUDY
    if not path.is_file():
        raise UserError(f"no study in {folder}: {STUDY} is missing; give the folder that `ablate run` printed")
    try:
        return Study.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UserError(f"{path} is not what `ablate run` writes: {sentence(error)}; run the study again") from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}; run the study again") from error


def write_study(study: Study, folder: Path) -> Path:
    """Write `study.json` as a whole, and return its path. Write the other files of the folder first."""
    return atomic_write(folder / STUDY, json.dumps(study.model_dump(), indent=1) + "\n")


def read_counts(folder: Path) -> pd.DataFrame:
    """Read the errors of all finished trials, one row per arm, seed, condition and utterance; without the texts.

    The `detail_columns` are included if the study's version wrote them. Raises UserError.
    """
    wanted = [column for column in COUNTS_COLUMNS if column not in TEXTS]
    return _read_table(folder / COUNTS_FILE, wanted, optional=detail_columns())


def read_texts(folder: Path, utterances: Sequence[str]) -> pd.DataFrame:
    """Read references and hypotheses of some utterances only, as all texts of a large study would fill the memory."""
    keys = ["arm", "seed", "condition", "utterance_id"]
    return _read_table(folder / COUNTS_FILE, [*keys, *TEXTS], [("utterance_id", "in", list(utterances))])


def read_curves(folder: Path) -> pd.DataFrame:
    """Read what training logged, one row per arm, seed, step and metric, failed trials included. Raises UserError."""
    return _read_table(folder / CURVES_FILE, CURVES_COLUMNS)


def _read_table(
    path: Path,
    columns: list[str],
    filters: list[tuple[str, str, Any]] | None = None,
    optional: Sequence[str] = (),
) -> pd.DataFrame:
    if not path.is_file():
        raise UserError(f"the study in {path.parent} is incomplete: {path.name} is missing; run the study again")
    try:
        found = pq.read_schema(path).names
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path} is damaged, it is not a Parquet file; run the study again") from error
    if missing := [column for column in columns if column not in found]:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}; run the study again")
    present = [column for column in optional if column in found]
    return pd.read_parquet(path, columns=[*columns, *present], filters=filters)
