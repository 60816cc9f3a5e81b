"""How a trial ends: its checkpoint, its scores or its failure, kept in its folder and told to MLflow. Imports no kfp."""

import time
from dataclasses import replace
from pathlib import Path

from components.trial import Status


def keep_checkpoint(uri: str, status: Status, folder: Path) -> Status:
    """Put a trial's checkpoint into MLflow; the status gets its `model_id`, or `untracked` if that failed."""
    from components.history import attempt
    from tracking.checkpoints import log_checkpoint

    tags = {"arm": status.arm, "seed": str(status.seed), "fingerprint": str(status.fingerprint)}
    found: list[str] = []
    error = attempt(lambda: found.append(log_checkpoint(uri, status.run_id, folder, tags)))
    return replace(status, model_id=found[0] if found else None, untracked=status.untracked or error)


def mark_killed(uri: str, run_id: str) -> None:
    """Tell MLflow that a trial was stopped from outside."""
    from components.history import attempt
    from tracking.studies import end_run

    attempt(lambda: end_run(uri, run_id, "KILLED"))


def give_up(status: Status, out: Path, uri: str) -> None:
    """Write the failed status first, then tell MLflow, which may be what failed."""
    from components.history import attempt
    from tracking.studies import end_run

    status = replace(status, ended=time.time())
    status.write(out)
    error = attempt(lambda: end_run(uri, status.run_id, "FAILED", status.reason))
    replace(status, untracked=error).write(out)


def sentence(error: Exception) -> str:
    """The reason as a person reads it; of an unforeseen error, with its type."""
    from ablation.errors import UserError
    from training.loop import TrainingFailed

    text = " ".join(str(error).split())
    return text if isinstance(error, (TrainingFailed, UserError)) else f"{type(error).__name__}: {text}"


def store_scores(uri: str, status: Status) -> None:
    """Put a trial's WERs into MLflow, on its run and its checkpoint, and end the run."""
    from tracking.studies import end_run, log_scores

    costs = {
        "parameters": status.parameters,
        "seconds/train": status.train_seconds,
        "seconds/evaluate": status.evaluate_seconds,
    }
    scores = (status.wer or {}) | {key: float(value) for key, value in costs.items() if value is not None}
    log_scores(uri, status.run_id, scores, status.model_id)
    end_run(uri, status.run_id, "FINISHED")
