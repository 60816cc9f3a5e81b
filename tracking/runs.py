"""Writes to the runs of a study in MLflow after they were created: curves, scores, reports, and their end.

A repeated write changes nothing: tags are the same, and the timestamp of a metric is the run's start plus the step, so that a
repeated call adds no points to a curve.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.entities import Metric, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from common.checksums import sums_of
from tracking import notes
from tracking.datasets import tested_on
from tracking.metrics import log_metrics, named_metrics
from tracking.reuse import SUMS
from tracking.search import search_runs
from tracking.several import each
from tracking.store import client

UNFINISHED = ("RUNNING", "SCHEDULED")
COSTS = ("parameters", "seconds/train", "seconds/evaluate")  # scores of a trial that say nothing of its errors


def start_trial(uri: str, run_id: str, fingerprint: str) -> None:
    """Mark a trial run as RUNNING and tag it with its fingerprint."""
    client(uri).update_run(run_id, status="RUNNING")
    client(uri).set_tag(run_id, "ablation.fingerprint", fingerprint)


def end_run(uri: str, run_id: str, status: str, reason: str | None = None) -> None:
    """Close a run as FINISHED, FAILED or KILLED. `reason` is a sentence and becomes a tag."""
    if reason:
        client(uri).set_tag(run_id, "ablation.reason", reason)
    client(uri).set_terminated(run_id, status=status)


def open_again(uri: str, run_id: str) -> None:
    """Set a run to RUNNING that was ended although its work goes on, without the reason of that end."""
    client(uri).update_run(run_id, status="RUNNING")
    with contextlib.suppress(MlflowException):  # it has no such tag
        client(uri).delete_tag(run_id, "ablation.reason")


def log_history(uri: str, run_id: str, history: Sequence[tuple[int, Mapping[str, float]]]) -> None:
    """Log curves as (step, {metric: value}) pairs. NaN means that there is no value and is left out."""
    metrics = _points(client(uri).get_run(run_id), history)
    if metrics:
        log_metrics(uri, run_id, metrics)


def _points(run: Run, history: Sequence[tuple[int, Mapping[str, float]]]) -> list[Metric]:
    return [
        Metric(key, value, run.info.start_time + step, step)
        for step, values in history
        for key, value in values.items()
        if value == value
    ]


def log_scores(
    uri: str,
    run_id: str,
    scores: Mapping[str, float],
    model_id: str | None,
    *,
    history: Sequence[tuple[int, Mapping[str, float]]] = (),
    tags: Mapping[str, str] | None = None,
    run: Run | None = None,
) -> None:
    """Log a trial's final metrics on its run, with a table in its description, and, unless `model_id` is None, on its checkpoint.

    Error rates refer to the dataset that the run was tested on. Curves, as `log_history` takes them, and more tags go with the same
    requests. `run` saves the request for it.
    """
    run = run or client(uri).get_run(run_id)
    errors = [key for key in scores if key not in COSTS]
    name, digest = tested_on(run)
    about = {"model_id": model_id, "dataset_name": name, "dataset_digest": digest}
    metrics = [
        Metric(key, value, run.info.start_time, 0, **(about if key in errors else {"model_id": model_id}))
        for key, value in scores.items()
    ]
    note = notes.scored_note(run.data.tags.get(MLFLOW_RUN_NOTE, ""), scores, errors)
    said = [RunTag(key, value) for key, value in {MLFLOW_RUN_NOTE: note, **(tags or {})}.items()]
    log_metrics(uri, run_id, [*_points(run, history), *metrics], said)


def log_study_report(
    uri: str, study_run_id: str, files: Sequence[Path], note: str, metrics: Mapping[str, float] | None = None
) -> None:
    """Attach the report to the study run. `note` (Markdown) is shown at the top of its page.

    Their checksums become a tag first. `metrics` are numbers about the whole study, with names that no trial has, because MLflow
    would chart them together with those of the trials. Names that MLflow does not accept are changed, and a long note is cut.
    """
    client(uri).set_tag(study_run_id, SUMS, json.dumps(sums_of(file for file in files if file.is_file())))
    for file in files:
        client(uri).log_artifact(study_run_id, str(file))
    base = client(uri).get_run(study_run_id).info.start_time if metrics else 0
    logged = [Metric(key, value, base, 0) for key, value in named_metrics(metrics or {}).items()]
    tag = RunTag(MLFLOW_RUN_NOTE, notes.shortened(note, notes.RUN_LENGTH))
    log_metrics(uri, study_run_id, logged, [tag])


def note_decision(uri: str, study_run_id: str, decision: str) -> None:
    """Tag the study run with the decision about the champion."""
    client(uri).set_tag(study_run_id, "ablation.champion", decision)


def trial_runs(uri: str, experiment_id: str, study_run_id: str) -> list[Run]:
    """Return all trial runs of a study run, in the order of their start."""
    return search_runs(uri, [experiment_id], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{study_run_id}'")


def reap(uri: str, experiment_id: str, study_run_id: str, status: str = "KILLED", reason: str | None = None) -> int:
    """End the study's runs that are still open, when nobody else can end them any more. Return their number.

    `reason` is a sentence for all of them. If the study itself was open, the experiment's description says that it has ended.
    """
    study = client(uri).get_run(study_run_id)
    runs = [*trial_runs(uri, experiment_id, study_run_id), study]
    left = [run.info.run_id for run in runs if run.info.status in UNFINISHED]
    each(uri, lambda run_id: end_run(uri, run_id, status, reason), left)
    if study_run_id in left:
        name = study.data.tags.get("ablation.study", "")
        notes.conclude_without_verdicts(uri, experiment_id, study_run_id, name, reason)
    return len(left)
