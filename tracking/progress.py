"""Progress of the trials of a Kubeflow run, as MLflow knows it. Kubeflow's own task details stop changing in larger studies.

Each call reads pages of runs, never one run at a time: an MLflow server with users takes about a second per request.
"""

from dataclasses import dataclass
from typing import Literal

from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from tracking.search import all_experiments, search_runs
from tracking.store import client
from tracking.studies import KFP_RUN

REASON = "ablation.reason"
State = Literal["waiting", "running", "finished", "failed", "stopped"]
STATES: dict[str, State] = {
    "SCHEDULED": "waiting",
    "RUNNING": "running",
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "stopped",
}
EXPLAINED = ("failed", "stopped")


@dataclass(frozen=True)
class TrialProgress:
    """The state of one trial. `reason` says why it failed or was stopped; None if nobody said so, and in other states."""

    arm: str
    seed: int
    state: State
    reason: str | None


def study_progress(uri: str, kfp_run: str) -> list[TrialProgress]:
    """Return the trials of the study that a Kubeflow run opened, in the order of opening; [] until it is open.

    If the run opened several studies, because its first step was repeated, this is the newest one.
    """
    query = f"tags.`{KFP_RUN}` = '{kfp_run}' and tags.`ablation.role` = 'study'"
    studies = search_runs(uri, all_experiments(uri), query)
    if not studies:
        return []
    study = studies[-1].info
    children = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{study.run_id}' and tags.`ablation.role` = 'trial'"
    trials = search_runs(uri, [study.experiment_id], children)
    return [_progress(run) for run in sorted(trials, key=_opening)]


def open_studies_of(uri: str, experiment: str) -> list[tuple[str, str]]:
    """Return the study runs of an experiment that are still open, each with its Kubeflow run.

    `experiment` is the experiment's name, which is the study's. Studies that no Kubeflow run opened are left out.
    """
    found = client(uri).get_experiment_by_name(experiment)
    if found is None:
        return []
    ended = " and ".join(f"attributes.status != '{status}'" for status in ("FINISHED", "FAILED", "KILLED"))
    query = f"tags.`{KFP_RUN}` != '' and tags.`ablation.role` = 'study' and {ended}"
    runs = search_runs(uri, [found.experiment_id], query)
    return [(str(run.info.run_id), run.data.tags[KFP_RUN]) for run in runs]


def _opening(run: Run) -> tuple[int, str, int]:
    """Return the start, and the name for runs of the same millisecond; seed 2 comes before seed 10."""
    return run.info.start_time, run.data.tags["ablation.arm"], int(run.data.tags["ablation.seed"])


def _progress(run: Run) -> TrialProgress:
    tags, state = run.data.tags, STATES[run.info.status]
    reason = tags.get(REASON) if state in EXPLAINED else None
    return TrialProgress(tags["ablation.arm"], int(tags["ablation.seed"]), state, reason)
