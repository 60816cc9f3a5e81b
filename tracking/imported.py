"""Imported studies in MLflow: a study run and a run per trial with its metrics. They have no checkpoints and no curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Metric, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from tracking.creating import patiently
from tracking.metrics import metric_name, named_metrics
from tracking.notes import scored_note
from tracking.runs import end_run, reap, trial_runs
from tracking.search import search_runs
from tracking.several import each
from tracking.store import check_store, client, experiment
from tracking.studies import StudyRuns, open_study

IMPORTED = "ablation.imported"  # tag of a study's run: the digest of what was imported


@dataclass(frozen=True)
class ImportedTrial:
    """A trial with its metrics, e.g. `wer/clean`; `reason` says why it failed, and is None for one that is complete."""

    arm: str
    seed: int
    part: str | None
    metrics: Mapping[str, float]
    reason: str | None = None


def log_trials(
    uri: str,
    study: str,
    digest: str,
    trials: Sequence[ImportedTrial],
    *,
    question: str,
    params: Mapping[str, Any],
    conditions: Sequence[str],
    metrics: Sequence[str],
    source: Mapping[str, str] | None = None,
) -> StudyRuns:
    """Log the trials of an import, and return the runs; the study's run stays open until its report is there.

    The runs of an import with the same `digest` are taken again, so that a repeated import adds none. Those of an import that was
    interrupted are ended. `source` are the tags of `tracking.source`. Raises UserError if the store cannot be used.
    """
    if (earlier := _finished(uri, study, digest)) is not None:
        return earlier
    runs = open_study(
        uri,
        study,
        question=question,
        params=params,
        conditions=[metric_name(name) for name in conditions],
        metrics=[metric_name(name) for name in metrics],
        curves=None,
        trials=[{"arm": one.arm, "seed": one.seed, "part": one.part, "params": {}} for one in trials],
        tags={IMPORTED: digest},
        source=source,
    )
    try:
        each(uri, lambda pair: _log(uri, *pair), list(zip(runs.trials, trials, strict=True)))
    except BaseException:
        reap(uri, runs.experiment_id, runs.study)
        raise
    return runs


def _finished(uri: str, study: str, digest: str) -> StudyRuns | None:
    """Return the runs of the same import, if all of it was logged. End those of others that were interrupted."""
    check_store(uri)
    experiment_id = patiently(uri, lambda: experiment(uri, study))
    query = f"tags.`{IMPORTED}` = '{digest}' and tags.`ablation.role` = 'study'"
    for run in search_runs(uri, [experiment_id], query):
        if run.info.status == "FINISHED":
            mine = tuple(trial.info.run_id for trial in trial_runs(uri, experiment_id, run.info.run_id))
            return StudyRuns(experiment_id, run.info.run_id, mine)
        reap(uri, experiment_id, run.info.run_id, reason="the import was interrupted")
    return None


def _log(uri: str, run_id: str, trial: ImportedTrial) -> None:
    """Log a trial's metrics at the run's start, which is the same when the call is repeated, and end its run."""
    run, scores = client(uri).get_run(run_id), named_metrics(trial.metrics)
    logged = [Metric(name, value, run.info.start_time, 0) for name, value in scores.items()]
    note = [RunTag(MLFLOW_RUN_NOTE, scored_note(run.data.tags.get(MLFLOW_RUN_NOTE, ""), scores, list(scores)))]
    patiently(uri, lambda: client(uri).log_batch(run_id, metrics=logged, tags=note))
    status = "FINISHED" if trial.reason is None else "FAILED"
    patiently(uri, lambda: end_run(uri, run_id, status, trial.reason))


def only_imported(uri: str, study: str) -> bool:
    """Return if all study runs of that name are imported ones, and there is one."""
    found = client(uri).get_experiment_by_name(study)
    if found is None:
        return False
    runs = search_runs(uri, [found.experiment_id], "tags.`ablation.role` = 'study'")
    return bool(runs) and all(IMPORTED in run.data.tags for run in runs)
