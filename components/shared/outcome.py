"""The end of a trial: its checkpoint, its scores or its failure, stored in its folder and in MLflow. Imports no kfp."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from components.shared.trial import HISTORY_FILE, Status, read_history
from recipes.smile import is_final


def store_checkpoint(uri: str, status: Status, folder: Path) -> Status:
    """Store a trial's checkpoint in MLflow. The status gets its `model_id`, or the error as `untracked`."""
    from components.shared.history import attempt
    from tracking.checkpoints import log_checkpoint

    tags = {"arm": status.arm, "seed": str(status.seed), "fingerprint": str(status.fingerprint)}
    found: list[str] = []
    error = attempt(lambda: found.append(log_checkpoint(uri, status.run_id, folder, tags)))
    status = replace(status, model_id=found[0] if found else None, untracked=status.untracked or error)
    if found:
        error = attempt(lambda: _store_curves(uri, status, folder))
    return replace(status, untracked=status.untracked or error)


def _store_curves(uri: str, status: Status, folder: Path) -> None:
    """Store what a later study needs in addition to the checkpoint to use this trial again."""
    from tracking.reuse import TRAINED, keep

    with TemporaryDirectory() as copies:
        status.write(Path(copies))
        if (folder / HISTORY_FILE).is_file():
            shutil.copyfile(folder / HISTORY_FILE, Path(copies) / HISTORY_FILE)
        keep(uri, status.run_id, Path(copies), {TRAINED: str(status.model_id)})


@contextlib.contextmanager
def marking_killed(uri: str, run_id: str) -> Iterator[None]:
    """If SIGTERM ends the step during the block, set the trial's run in MLflow to KILLED."""
    from components.shared.history import attempt

    try:
        yield
    except SystemExit:
        from tracking.studies import end_run

        attempt(lambda: end_run(uri, run_id, "KILLED"))
        raise


def record_failure(status: Status, out: Path, uri: str) -> Status:
    """Write the failed status, and then end the run in MLflow, which may be the cause of the failure."""
    from components.shared.history import attempt
    from tracking.studies import end_run

    status = replace(status, ended=time.time())
    status.write(out)
    error = attempt(lambda: end_run(uri, status.run_id, "FAILED", status.reason))
    return replace(status, untracked=error)


def sentence(error: Exception) -> str:
    """Return the reason in one line; that of an unforeseen error starts with its type."""
    text = " ".join(str(error).split())
    return text if is_final(error) else f"{type(error).__name__}: {text}"


def store_scores(uri: str, status: Status, folder: Path) -> None:
    """Store a trial's WERs and counts in MLflow, its WERs on its checkpoint as well, and end the run.

    The checkpoint of another run keeps the metrics that it got there, and the time of its training is not claimed again.
    """
    from tracking.reuse import SCORED, keep, mark_reused
    from tracking.studies import end_run, log_history, log_scores

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
    keep(uri, status.run_id, folder, {SCORED: str(status.evaluation)})
    end_run(uri, status.run_id, "FINISHED")
