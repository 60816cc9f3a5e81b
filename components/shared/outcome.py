"""The end of a trial: its checkpoint, its scores or its failure, stored in its folder and in MLflow. Imports no kfp."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from common.errors import TrainingFailed, UserError
from components.shared.trial import CHECKPOINT_FOLDER, COUNTS_FILE, HISTORY_FILE, Status, read_history


def store_checkpoint(
    uri: str, status: Status, folder: Path, recipe: str, means: Mapping[str, int] | None = None
) -> Status:
    """Store a trial's checkpoint of a recipe in MLflow, with the points of its curves that are missing there.

    `means` are numbers that say what it was trained with, such as threads; they become tags of its run. The status gets its
    `model_id`, or the error as `untracked`.
    """
    from components.shared.history import attempt_patiently
    from tracking.checkpoints import log_checkpoint

    tags = {"arm": status.arm, "seed": str(status.seed), "fingerprint": str(status.fingerprint)}
    found: list[str] = []

    def store() -> None:
        if status.untracked:  # an error during training: some points, and the start of the run, may be missing
            _log_again(uri, status, folder)
        found[:] = [log_checkpoint(uri, status.run_id, folder / CHECKPOINT_FOLDER, tags, recipe)]
        _keep(uri, replace(status, model_id=found[0]), folder, TRAINED_TAG, means)

    error = attempt_patiently(store)
    return replace(status, model_id=found[0] if found else None, untracked=error)


def _log_again(uri: str, status: Status, folder: Path) -> None:
    """Log the curves. To log a point twice changes nothing."""
    from tracking.runs import log_history, start_trial

    if status.fingerprint:
        start_trial(uri, status.run_id, status.fingerprint)
    log_history(uri, status.run_id, read_history(folder))


TRAINED_TAG, SCORED_TAG, FAILED_TAG = "trained", "scored", "failed"


def _keep(uri: str, status: Status, folder: Path, what: str, means: Mapping[str, int] | None = None) -> None:
    """Store a trial's status, curves and counts with its run. A later study can use them, and the comparison reads them."""
    from tracking.reuse import FAILED, SCORED, TRAINED, keep

    tags = {
        TRAINED_TAG: {TRAINED: str(status.model_id)},
        SCORED_TAG: {SCORED: str(status.evaluation)},
        FAILED_TAG: {FAILED: "true"},
    }
    names = (HISTORY_FILE, COUNTS_FILE) if what == SCORED_TAG else (HISTORY_FILE,)
    with TemporaryDirectory(prefix="ablate-") as copies:
        status.write(Path(copies))
        for file in (folder / name for name in names):
            if file.is_file():
                shutil.copyfile(file, Path(copies) / file.name)
        said = {f"ablation.{name}": str(number) for name, number in (means or {}).items()}
        keep(uri, status.run_id, Path(copies), {**said, **tags[what]}, again=what != TRAINED_TAG)


AGAIN = "ABLATE_STEP_AGAIN"  # set in the second try of a step that was killed
STOPPED = "its step was stopped from outside; run the study again"


def mark_killed(uri: str, run_id: str) -> None:
    """End the trial's run in MLflow as KILLED. There may be time for one request only."""
    from components.shared.history import attempt
    from tracking.runs import end_run

    attempt(lambda: end_run(uri, run_id, "KILLED"))


@contextlib.contextmanager
def marking_killed(uri: str, run_id: str) -> Iterator[None]:
    """If SIGTERM ends the step during the block, set the trial's run in MLflow to KILLED, with the reason.

    If this is the second try of a step, open the run again, which the first one may have ended like that.
    """
    from components.shared.history import attempt

    if os.environ.get(AGAIN):
        from tracking.runs import open_again

        attempt(lambda: open_again(uri, run_id))
    try:
        yield
    except SystemExit:
        from tracking.runs import end_run

        attempt(lambda: end_run(uri, run_id, "KILLED", STOPPED))
        raise


def record_failure(status: Status, out: Path, uri: str) -> Status:
    """Write the failed status, and then store it and end the run in MLflow, which may be the cause of the failure."""
    from components.shared.history import attempt_patiently
    from tracking.runs import end_run

    status = replace(status, ended=time.time())
    status.write(out)

    def store() -> None:
        if status.untracked:
            _log_again(uri, status, out)
        _keep(uri, replace(status, untracked=None), out, FAILED_TAG)
        end_run(uri, status.run_id, "FAILED", status.reason)

    return replace(status, untracked=attempt_patiently(store))


def is_final(error: Exception) -> bool:
    """Return True for a foreseen failure, which would be the same in every process and at another time."""
    return isinstance(error, (TrainingFailed, UserError))


def sentence(error: Exception) -> str:
    """Return the reason in one line; that of an unforeseen error starts with its type."""
    text = " ".join(str(error).split())
    return text if is_final(error) else f"{type(error).__name__}: {text}"


def store_scores(uri: str, status: Status, folder: Path) -> None:
    """Store a trial's WERs and counts in MLflow, its WERs on its checkpoint as well, and end the run.

    The checkpoint of another run keeps the metrics that it got there, and the time of its training is not claimed again.
    """
    from tracking.reuse import mark_reused
    from tracking.runs import end_run, log_history, log_scores

    ours = status.reused_from is None
    costs = {
        "parameters": status.parameters,
        "seconds/train": status.train_seconds if ours else None,
        "seconds/evaluate": status.evaluate_seconds,
    }
    scores = (status.wer or {}) | {key: float(value) for key, value in costs.items() if value is not None}
    if not ours:
        mark_reused(uri, status.run_id, str(status.reused_from))
        log_history(uri, status.run_id, read_history(folder))
    log_scores(uri, status.run_id, scores, status.model_id if ours else None)
    _keep(uri, status, folder, SCORED_TAG)
    end_run(uri, status.run_id, "FINISHED")
