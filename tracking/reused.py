"""Trials that were finished before, for a whole study at once: two pages of runs, then three requests for each trial.

A request for every look would cost more than the results: MLflow reads a run alone in the time of ten runs of a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from common.store_address import whole
from tracking import local_copies
from tracking.reuse import FOLDER, SCORED, SUMS, Stored, sums_tag, trial_files
from tracking.reuse import stored as stored_by
from tracking.runs import end_run, log_scores, trial_runs
from tracking.search import PAGE, newest_runs
from tracking.store import client


@dataclass(frozen=True)
class Known:
    """The trials of a study, read in pages: its own runs by id, and earlier results by the fingerprint of their evaluation.

    A result that is not here may still be in the store, e.g. that of a study of another name.
    """

    runs: Mapping[str, Run] = field(default_factory=dict)
    earlier: Mapping[str, Sequence[Stored]] = field(default_factory=dict)


def known_trials(uri: str, experiment_id: str, study_run_id: str, number: int) -> Known:
    """Return the trial runs of a study of `number` trials, and as many newest results of its experiment.

    After a rerun of the study these are all that it can reuse.
    """
    runs = {run.info.run_id: run for run in trial_runs(uri, experiment_id, study_run_id)}
    earlier: dict[str, list[Stored]] = {}
    for run in newest_runs(uri, [experiment_id], f"tags.`{SCORED}` != ''", min(number, PAGE)):
        earlier.setdefault(run.data.tags[SCORED], []).append(stored_by(run))
    return Known(runs, earlier)


def store_reused(
    uri: str,
    run_id: str,
    folder: Path,
    scores: Mapping[str, float],
    history: Sequence[tuple[int, Mapping[str, float]]],
    tags: Mapping[str, str],
    run: Run | None = None,
) -> None:
    """Store the files, scores and curves of a reused trial with its own run, and end that run.

    The tags by which later studies find the run come with the scores, after the files. `run` saves the request for it.
    """
    run, files = run or client(uri).get_run(run_id), trial_files(folder)
    local_copies.put(run_id, files)
    get_artifact_repository(run.info.artifact_uri, tracking_uri=whole(uri)).log_artifacts(str(folder), FOLDER)
    log_scores(uri, run_id, scores, None, history=history, tags={SUMS: sums_tag(files), **tags}, run=run)
    end_run(uri, run_id, "FINISHED")
