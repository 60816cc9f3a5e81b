"""How a trial ends: its checkpoint, its scores or its failure, kept in its folder and told to MLflow. Imports no kfp."""

import shutil
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from components.shared.trial import HISTORY_FILE, Status, read_history
from recipes.smile import is_final


def keep_checkpoint(uri: str, status: Status, folder: Path) -> Status:
    """Put a trial's checkpoint into MLflow; the status gets its `model_id`, or `untracked` if that failed."""
    from components.shared.history import attempt
    from tracking.checkpoints import log_checkpoint

    tags = {"arm": status.arm, "seed": str(status.seed), "fingerprint": str(status.fingerprint)}
    found: list[str] = []
    error = attempt(lambda: found.append(log_checkpoint(uri, status.run_id, folder, tags)))
    status = replace(status, model_id=found[0] if found else None, untracked=status.untracked or error)
    if found:
        error = attempt(lambda: _keep_curves(uri, status, folder))
    return replace(status, untracked=status.untracked or error)


def _keep_curves(uri: str, status: Status, folder: Path) -> None:
    """What a later study needs beside the checkpoint, so that it need not train the same again."""
    from tracking.reuse import TRAINED, keep

    with TemporaryDirectory() as beside:
        status.write(Path(beside))
        if (folder / HISTORY_FILE).is_file():
            shutil.copyfile(folder / HISTORY_FILE, Path(beside) / HISTORY_FILE)
        keep(uri, status.run_id, Path(beside), {TRAINED: str(status.model_id)})


def mark_killed(uri: str, run_id: str) -> None:
    """Tell MLflow that a trial was stopped from outside."""
    from components.shared.history import attempt
    from tracking.studies import end_run

    attempt(lambda: end_run(uri, run_id, "KILLED"))


def give_up(status: Status, out: Path, uri: str) -> None:
    """Write the failed status first, then tell MLflow, which may be what failed."""
    from components.shared.history import attempt
    from tracking.studies import end_run

    status = replace(status, ended=time.time())
    status.write(out)
    error = attempt(lambda: end_run(uri, status.run_id, "FAILED", status.reason))
    replace(status, untracked=error).write(out)


def sentence(error: Exception) -> str:
    """The reason as a person reads it; of an unforeseen error, with its type."""
    text = " ".join(str(error).split())
    return text if is_final(error) else f"{type(error).__name__}: {text}"


def store_scores(uri: str, status: Status, folder: Path) -> None:
    """Put a trial's WERs and counts into MLflow, its WERs on its checkpoint, too, and end the run.

    A checkpoint of another run keeps the metrics that it got there, and no training is claimed that was not done.
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
