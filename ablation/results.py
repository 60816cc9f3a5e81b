"""The folder of a study, as the step `compare_arms` writes it.

study.json       arms, trials with their status, corpus, provenance, tracking, and the SHA-256 of the tables and of itself
counts.parquet   errors in words and characters per arm, seed, condition and utterance, with the reference and the hypothesis; or
                 the values of a measure per arm, seed, condition and item
curves.parquet   what training logged: arm, seed, step, metric, value; an imported study has none

A file that differs from its SHA-256 is refused. Folders of older versions have no sums and stay readable.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from ablation.plan.naming import NamedChange
from ablation.stats.measures import ITEMS, VALUE, measure
from ablation.stats.metrics import METRICS, WER, Metric
from common.checksums import Damaged, sha256_of
from common.errors import UserError
from common.files import atomic_write
from common.normalise import BASIC, FIRST_VERSION
from common.validation import sentence

STUDY, COUNTS_FILE, CURVES_FILE = "study.json", "counts.parquet", "curves.parquet"
TEXTS = ["reference", "hypothesis"]
KEYS = ["arm", "seed", "condition", "utterance_id", "speaker"]
COUNTS_COLUMNS = [*KEYS, *WER.columns, *TEXTS]
VALUES_COLUMNS = [*KEYS, VALUE, ITEMS]
CURVES_COLUMNS = ["arm", "seed", "step", "metric", "value"]
SUMS = "sha256"  # key of study.json
RUN, IMPORT = "ablate run", "ablate import"  # commands that write studies
REMEDIES = {
    RUN: "run the study again: the same `ablate run` command writes the folder again",
    IMPORT: "import the results again: the same `ablate import` command writes the folder again",
}


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
    in MLflow. `wer` maps a metric key, e.g. `wer/clean`, to a fraction. `untracked` is an error that MLflow returned. `unusable`
    says why a result of the same trial in MLflow was not used, so that it was trained or scored again.
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
    unusable: str | None = None


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


class CurveRecord(Record):
    """A value that training logged, as the recipe declares it; see `recipes.base.Curve`."""

    name: str
    label: str
    learned: bool = False
    family: bool = False


class Imported(Record):
    """Origin of an imported study, whose trials were trained and transcribed by another toolkit.

    `files` of one `format` were found by `patterns`; `references` is the file of the references, None if they stood next to the
    hypotheses. `filled_in` utterances had no hypothesis and count as deletions, `left_out` had no reference.
    """

    files: int
    format: str
    patterns: list[str]
    references: str | None = None
    filled_in: int = 0
    left_out: int = 0


class Measure(Record):
    """A metric that was computed elsewhere; values and differences are in `unit`, empty for numbers without a unit."""

    name: str
    higher_is_better: bool
    unit: str = ""

    def metric(self) -> Metric:
        """Return the metric of its values."""
        return measure(self.name, higher_is_better=self.higher_is_better, unit=self.unit)


class Study(Record):
    """study.json. `conditions` has `clean` first; `wall_seconds` is per stage of the pipeline.

    `settings` are the full settings of the baseline, `recipe` is the name of what was trained, and `curves` are those that it
    declares; folders of older versions do not have them. `hygiene` is None in folders of older versions. The first of `metrics` is
    the one that verdicts come from. `margin_points` is the margin of the equivalence tests; None tests no equivalence. `normalise`
    and its version say how texts were normalised (`common.normalise`). `measure` is the first metric if it was computed elsewhere;
    then `margin_points` is in its unit, and counts.parquet has `VALUES_COLUMNS`. `imported` is None for a study that ran here.
    `sha256` has the sums of the tables, and of study.json without this key; `write_study` fills it in.
    """

    study: str
    question: str = ""
    reasoning: str | None = None
    readings: list[str] = []
    preset: str
    corpus: dict[str, Any]
    seeds: list[int]
    conditions: list[str]
    metrics: list[str] = ["wer"]
    margin_points: float | None = None
    normalise: str = BASIC
    normalise_version: int = FIRST_VERSION
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
    recipe: str = "smile"
    curves: list[CurveRecord] = []
    imported: Imported | None = None
    measure: Measure | None = None
    sha256: dict[str, str] = {}

    def known_metrics(self) -> dict[str, Metric]:
        """Return the metrics of the study that this version knows, by name, the one of the verdicts first."""
        if self.measure is not None:
            return {self.measure.name: self.measure.metric()}
        return {name: METRICS[name] for name in self.metrics if name in METRICS}

    def metric(self) -> Metric:
        """Return the metric of the verdicts. Raises UserError for one that this version does not know."""
        known, name = self.known_metrics(), self.metrics[0]
        if name not in known:
            raise UserError(
                f"the study has the metric {name!r}, which this version does not know; known are {', '.join(METRICS)}"
            )
        return known[name]

    def of(self, arm: str) -> list[TrialRecord]:
        """Return the trials of an arm, by seed."""
        return sorted((trial for trial in self.trials if trial.arm == arm), key=lambda trial: trial.seed)

    def failed(self) -> list[TrialRecord]:
        """Return the trials that failed, arm by arm in the study's order."""
        order = [arm.arm for arm in self.arms]
        failed = [trial for trial in self.trials if trial.status == "failed"]
        return sorted(failed, key=lambda trial: (order.index(trial.arm), trial.seed))


def unusable_results(trials: Sequence[TrialRecord]) -> str | None:
    """Return a sentence about stored results that were not used, with the reason of the first; None if there are none."""
    reasons = [trial.unusable for trial in trials if trial.unusable]
    if not reasons:
        return None
    many = "1 stored result" if len(reasons) == 1 else f"{len(reasons)} stored results"
    was = "its trial was" if len(reasons) == 1 else "their trials were"
    return f"{many} could not be used, so {was} trained or scored again: {reasons[0]}"


def read_study(folder: Path) -> Study:
    """Read a study's `study.json`. Raises UserError if it is missing or cannot be read, or is not what was written."""
    path = folder / STUDY
    if not path.is_file():
        raise UserError(
            f"no study in {folder}: {STUDY} is missing; give the folder that `ablate run` or `ablate import` printed"
        )
    writer = _writer(folder)
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        _check_record(path, written, writer)
        return Study.model_validate(written)
    except ValidationError as error:
        raise UserError(f"{path} is not what `{writer}` writes: {sentence(error)}; {REMEDIES[writer]}") from error
    except UserError:
        raise
    except ValueError as error:
        raise Damaged(f"{path} is not valid JSON: {error}; {REMEDIES[writer]}") from error


def _writer(folder: Path) -> str:
    """Return the command that wrote a study. If its record cannot be read, its files tell: an import writes no curves."""
    try:
        written = json.loads((folder / STUDY).read_text(encoding="utf-8"))
        return IMPORT if isinstance(written, dict) and written.get("imported") else RUN
    except (OSError, ValueError):
        return IMPORT if (folder / COUNTS_FILE).is_file() and not (folder / CURVES_FILE).is_file() else RUN


def _check_record(path: Path, written: Any, writer: str) -> None:
    """Compare study.json with its own sum, if it has one."""
    sums = written.get(SUMS) if isinstance(written, dict) else None
    if isinstance(sums, dict) and sums and sums.get(STUDY) != _own_sum(written):
        raise Damaged(f"{path} was changed after `{writer}` wrote it: its SHA-256 differs; {REMEDIES[writer]}")


def _own_sum(record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record in canonical JSON, without its own sum."""
    sums = {name: value for name, value in (record.get(SUMS) or {}).items() if name != STUDY}
    text = json.dumps({**record, SUMS: sums}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_study(study: Study, folder: Path) -> Path:
    """Write `study.json` as a whole, with the sums of the folder's tables, and return its path. Write the other files first."""
    tables = [folder / name for name in (COUNTS_FILE, CURVES_FILE) if (folder / name).is_file()]
    record = study.model_dump() | {SUMS: {table.name: sha256_of(table) for table in tables}}
    record = json.loads(json.dumps(record))  # as it will be read: keys are text
    record[SUMS][STUDY] = _own_sum(record)
    return atomic_write(folder / STUDY, json.dumps(record, indent=1) + "\n")


def read_counts(folder: Path) -> pd.DataFrame:
    """Read the errors of all finished trials, one row per arm, seed, condition and utterance; without the texts.

    The `detail_columns` are included if the study's version wrote them. Of a study with a measure, read its values. Raises
    UserError.
    """
    wanted = [column for column in COUNTS_COLUMNS if column not in TEXTS]
    if (folder / STUDY).is_file() and read_study(folder).measure is not None:
        return _read_table(folder / COUNTS_FILE, VALUES_COLUMNS)
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
    writer = _writer(path.parent)
    if not path.is_file():
        raise Damaged(f"the study in {path.parent} is incomplete: {path.name} is missing; {REMEDIES[writer]}")
    _check_table(path)
    try:
        found = pq.read_schema(path).names
        if missing := [column for column in columns if column not in found]:
            raise UserError(f"{path} lacks the columns {', '.join(missing)}; {REMEDIES[writer]}")
        present = [column for column in optional if column in found]
        return pd.read_parquet(path, columns=[*columns, *present], filters=filters)
    except (pa.ArrowException, OSError) as error:
        raise Damaged(f"{path} is damaged, it cannot be read as a Parquet file; {REMEDIES[writer]}") from error


def _check_table(path: Path) -> None:
    """Compare a table with its sum in study.json, if there is one."""
    record, writer = path.with_name(STUDY), _writer(path.parent)
    expected = _table_sums(record, *_version(record)).get(path.name) if record.is_file() else None
    if expected and _sum_of(path, *_version(path)) != expected:
        raise Damaged(
            f"{path} was damaged or replaced after `{writer}` wrote it: its SHA-256 differs; {REMEDIES[writer]}"
        )


def _version(path: Path) -> tuple[int, int, int]:
    """Return what changes with the content of a file, so that each content is read once."""
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@lru_cache(maxsize=16)
def _table_sums(path: Path, *_version: int) -> Mapping[str, str]:
    return read_study(path.parent).sha256


@lru_cache(maxsize=16)
def _sum_of(path: Path, *_version: int) -> str:
    return sha256_of(path)
