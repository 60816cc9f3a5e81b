"""The start of a study in MLflow: one study run, and one nested run per trial. All are created once and passed on by id.

A worker only writes to the run whose id it was given (`tracking.runs`).
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlflow.entities import Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE, MLFLOW_RUN_TYPE

from tracking import notes
from tracking.artifact_store import check_artifacts
from tracking.creating import create_run, drop_run, patiently
from tracking.runs import reap, trial_runs
from tracking.several import each
from tracking.store import KIND, check_store, client, experiment_with_tags
from tracking.view import TAG_PREFIX, saved_view, view_state

PARAM_LENGTH = 6000  # MLflow's limit
EVALUATION = "evaluation"  # the type of runs whose parent MLflow's table of runs shows unfolded
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
