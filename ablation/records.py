"""The record of a study: the typed content of study.json."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ablation.plan.contrasts import Contrast
from ablation.plan.naming import NamedChange
from ablation.stats.measures import measure
from ablation.stats.metrics import METRICS, Metric
from common.errors import UserError
from common.normalise import BASIC, FIRST_VERSION


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


class LooksRecord(Record):
    """The design of a study with looks, as it was fixed before the study (`ablation.stats.sequential`).

    `looks` are numbers of seeds, `seeds` those of this look in their order. `stopped` maps arms that were stopped before this
    look to their numbers of seeds. `arms` does not count the baseline. `contrast_levels` map the families of contrasts to theirs.
    """

    looks: list[int]
    seeds: list[int]
    stopped: dict[str, int] = {}
    arms: int
    conditions: int
    margin_points: float | None = None
    levels: list[float]
    equivalence_levels: list[float]
    contrast_levels: dict[str, list[float]] = {}
    contrast_equivalence_levels: dict[str, list[float]] = {}
    spending: str


class EarlierDesign(Record):
    """Another design of the same comparison that was carried out before, as MLflow has it; `opened` is a date (UTC)."""

    seeds: list[int]
    looks: list[int] = []
    margin_points: float | None = None
    opened: str = ""


class Archived(Record):
    """Origin of an archive: the SHA-256 of the tables of the study that it was made from; {} for an older study without sums."""

    tables: dict[str, str] = {}


class Study(Record):
    """study.json. `conditions` has `clean` first; `wall_seconds` is per stage of the pipeline.

    `contrasts` are those of the plan's ladder and factorial. `settings` are the full settings of the baseline, `recipe` is the name
    of what was trained, and `curves` are those that it declares; folders of older versions do not have them. `hygiene` is None in
    folders of older versions. The first of `metrics` is the one that verdicts come from. `margin_points` is the margin of the
    equivalence tests; None tests no equivalence. `normalise` and its version say how texts were normalised (`common.normalise`).
    `measure` is the first metric if it was computed elsewhere; then `margin_points` is in its unit, and counts.parquet has
    `VALUES_COLUMNS`. `imported` is None for a study that ran here. `looks` is None for a study that is judged once.
    `earlier_designs` are other designs of the same arms whose results were known before. `archived` is None unless the folder is an
    archive, which has few texts and maybe no curves. `sha256` has the sums of the tables, and
    of study.json without this key; `write_study` fills it in.
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
    contrasts: list[Contrast] = []
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
    looks: LooksRecord | None = None
    earlier_designs: list[EarlierDesign] = []
    archived: Archived | None = None
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
