"""Runs of a study in MLflow: one study run, and one nested run per trial. All are created once and passed on by id.

A worker only writes to the run whose id it was given. A repeated write changes nothing: parameters and tags are the same, and the
timestamp of a metric is the run's start plus the step, so that a repeated call adds no points to a curve.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE, MLFLOW_RUN_TYPE

from common.checksums import sums_of
from tracking import notes
from tracking.artifact_store import check_artifacts
from tracking.creating import create_run, drop_run, patiently
from tracking.datasets import tested_on
from tracking.metrics import log_metrics, named_metrics
from tracking.reuse import SUMS
from tracking.search import search_runs
from tracking.several import each
from tracking.store import KIND, check_store, client, experiment_with_tags
from tracking.view import TAG_PREFIX, saved_view, view_state

UNFINISHED = ("RUNNING", "SCHEDULED")
PARAM_LENGTH = 6000  # MLflow's limit
EVALUATION = "evaluation"  # the type of runs whose parent MLflow's table of runs shows unfolded
COSTS = ("parameters", "seconds/train", "seconds/evaluate")  # scores of a trial that say nothing of its errors
KFP_RUN = "ablation.kfp_run"  # tag of a study: the run of the pipeline that opened it


@dataclass(frozen=True)
class StudyRuns:
    """Ids in the store. `trials` has the order of the given trials."""

    experiment_id: str
    study: str
    trials: tuple[str, ...]


def open_study(
    uri: str,
    study: str,
    *,
    question: str,
    params: Mapping[str, Any],
    conditions: Sequence[str],
    trials: Sequence[Mapping[str, Any]],
    metrics: Sequence[str] = ("wer",),
    curves: Sequence[str] | None = (),
    parent_run_id: str | None = None,
    kfp_run: str = "",
    tags: Mapping[str, str] | None = None,
    source: Mapping[str, str] | None = None,
) -> StudyRuns:
    """Create the study run, its trial runs, the description of the experiment, and the view on which MLflow's page opens.

    Each trial is a mapping with `arm`, `seed`, `part` and `params`, and `change`, if known: the arm's change to the baseline in
    words. `curves` is None for trials without training. `parent_run_id` nests the study under a run of another owner, who also
    closes it (see `enclosing_run`). `kfp_run` is the id of the pipeline's run, by which others find the study. `tags` are more
    tags of the study's run, and `source` those of `tracking.source`, for all runs. Raises UserError if the store cannot be used.
    """
    check_store(uri)
    experiment_id, known = patiently(uri, lambda: experiment_with_tags(uri, study))
    outer = enclosing_run(uri, parent_run_id)
    parent = {MLFLOW_PARENT_RUN_ID: outer} if outer else {}
    named = {"ablation.role": "study", "ablation.study": study, **parent, **(tags or {}), **(source or {})}
    said = notes.opening(study, question, len({trial["arm"] for trial in trials}), len(trials))
    named |= {MLFLOW_RUN_NOTE: notes.shortened(said, notes.RUN_LENGTH)}
    named |= {KFP_RUN: kfp_run} if kfp_run else {}
    study_run = create_run(uri, experiment_id, f"{study} study", named)
    study_id, started_ms = str(study_run.info.run_id), int(study_run.info.start_time)
    try:
        check_artifacts(uri, study_run.info.artifact_uri)
        _log_params(uri, study_id, params)
        view = saved_view(f"{study} study", started_ms, view_state(study_id, conditions, metrics, curves))
        shown = {f"{TAG_PREFIX}{study_id}": view, **({} if KIND.items() <= known.items() else KIND)}
        if notes.is_ours(known):
            shown[MLFLOW_RUN_NOTE] = notes.described(said, experiment_id, study_id)
        for key, value in shown.items():
            patiently(uri, partial(client(uri).set_experiment_tag, experiment_id, key, value))
        return StudyRuns(
            experiment_id, study_id, _open_trials(uri, experiment_id, study, study_id, trials, source or {})
        )
    except BaseException:
        with contextlib.suppress(MlflowException):  # it may be the cause
            reap(uri, experiment_id, study_id)
        raise


def enclosing_run(uri: str, run_id: str | None) -> str | None:
    """Return the run to nest a study under, if the environment names `run_id` as the current run; None if it is not in this store.

    Kubeflow's MLflow plugin names the run of the step. When the step ends, it ends that run and all runs directly below it. So a
    study goes below the run of the whole pipeline, which is the parent of the step's run.
    """
    if not run_id:
        return None
    try:
        return str(client(uri).get_run(run_id).data.tags.get(MLFLOW_PARENT_RUN_ID, run_id))
    except MlflowException:
        return None


def _open_trials(
    uri: str,
    experiment_id: str,
    study: str,
    study_run_id: str,
    trials: Sequence[Mapping[str, Any]],
    source: Mapping[str, str],
) -> tuple[str, ...]:
    """Create one run per trial; one search for all of them shows which exist twice."""
    named = [{**_trial_tags(study, study_run_id, trial), **source} for trial in trials]
    each(uri, lambda tags: patiently(uri, lambda: _create_trial(uri, experiment_id, tags)), named)
    first: dict[tuple[str, str], str] = {}
    for run in patiently(uri, lambda: trial_runs(uri, experiment_id, study_run_id)) if trials else ():
        key = run.data.tags["ablation.arm"], run.data.tags["ablation.seed"]
        if first.setdefault(key, run.info.run_id) != run.info.run_id:
            patiently(uri, partial(drop_run, uri, run))
    ids = [first[tags["ablation.arm"], tags["ablation.seed"]] for tags in named]
    each(uri, lambda pair: _describe_trial(uri, *pair), list(zip(ids, trials, strict=True)))
    return tuple(ids)


def _trial_tags(study: str, study_run_id: str, trial: Mapping[str, Any]) -> dict[str, str]:
    change = trial.get("change") or (f"changes {trial['part']}" if trial["part"] else "no change")
    note = notes.trial_note(study, trial["arm"], trial["seed"], change)
    return {
        MLFLOW_RUN_NOTE: notes.shortened(note, notes.RUN_LENGTH),
        MLFLOW_RUN_TYPE: EVALUATION,
        MLFLOW_PARENT_RUN_ID: study_run_id,
        "ablation.role": "trial",
        "ablation.study": study,
        "ablation.arm": trial["arm"],
        "ablation.seed": str(trial["seed"]),
        "ablation.part": trial["part"] or "baseline",
    }


def _create_trial(uri: str, experiment_id: str, tags: Mapping[str, str]) -> None:
    name = f"{tags['ablation.arm']} seed {tags['ablation.seed']}"
    client(uri).create_run(experiment_id, run_name=name, tags=dict(tags))


def _describe_trial(uri: str, run_id: str, trial: Mapping[str, Any]) -> None:
    _log_params(uri, run_id, {"arm": trial["arm"], "seed": trial["seed"], **trial["params"]})
    patiently(uri, lambda: client(uri).update_run(run_id, status="SCHEDULED"))


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings with dotted keys, e.g. `parts.masking.kind`."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def _log_params(uri: str, run_id: str, params: Mapping[str, Any]) -> None:
    listed = [Param(key, str(value)[:PARAM_LENGTH]) for key, value in params.items()]
    for start in range(0, len(listed), 100):
        patiently(uri, partial(client(uri).log_batch, run_id, params=listed[start : start + 100]))


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
