"""Train one trial: its checkpoint, its curves and what became of it, in one folder. A failure is data, too."""

import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfp.dsl import Dataset, Input, Model, Output

from components._image import component
from components.isolation import run_isolated, run_worker
from components.trial import Status, Trial, arm_of, plan_of


def train(trial: str, plan: Mapping[str, Any], corpus: Path, out: Path, *, tracking_uri: str, threads: int) -> Status:
    """Train in a process of its own. Never raises for what goes wrong in there: the status says it."""
    item = Trial.from_json(trial)
    Status(item.arm, item.seed, item.run_id, started=time.time()).write(out)
    request = {
        "trial": trial,
        "plan": dict(plan),
        "corpus": str(corpus),
        "out": str(out),
        "tracking_uri": tracking_uri,
        "threads": threads,
    }
    reason = run_isolated("components.train_trial", request)
    if reason:
        give_up(Status.read(out).fail(reason), out, tracking_uri)
    return Status.read(out)


def _work(request: dict[str, Any]) -> None:
    """The worker: leaves a checkpoint and a status that is `trained` or `failed`."""
    out, uri = Path(request["out"]), request["tracking_uri"]
    status = Status.read(out)
    try:
        _train(request, status, out, uri).write(out)
    except Exception as error:
        traceback.print_exc()
        give_up(Status.read(out).fail(sentence(error)), out, uri)
    except SystemExit:
        mark_killed(uri, status.run_id)
        raise


def _train(request: dict[str, Any], status: Status, out: Path, uri: str) -> Status:
    from components.history import History
    from corpora.store import Corpus
    from tracking.fingerprint import trial_fingerprint
    from training.loop import train_trial as train_model

    plan, corpus = plan_of(request["plan"]), Path(request["corpus"])
    settings = arm_of(plan, status.arm).settings
    fingerprint = trial_fingerprint(settings, status.seed, Corpus.open(corpus).fingerprint)
    with History(out, uri, status.run_id, fingerprint) as history:
        result = train_model(
            settings, status.seed, corpus, out, threads=request["threads"], noise=plan.noise, log=history.log
        )
    status = replace(
        status,
        status="trained",
        fingerprint=fingerprint,
        parameters=result.parameters,
        steps=result.steps,
        train_seconds=result.seconds,
        untracked=history.error,
    )
    return keep_checkpoint(uri, status, out)


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


@component
def train_trial(
    trial: str,
    plan: dict,
    tracking_uri: str,
    threads: int,
    corpus: Input[Dataset],
    trained: Output[Model],
) -> None:
    """The step of the pipeline."""
    from pathlib import Path

    from components.train_trial import train

    train(trial, plan, Path(corpus.path), Path(trained.path), tracking_uri=tracking_uri, threads=threads)


if __name__ == "__main__":
    run_worker(_work)
