"""The process that trains: what `train_trial` starts. It imports no kfp, which takes two seconds that no trial needs."""

import os
import shutil
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.isolation import run_worker
from components.outcome import give_up, keep_checkpoint, mark_killed, sentence
from components.reuse import alone, take_trained
from components.trial import Status, Trial, arm_of, plan_of

if TYPE_CHECKING:
    from training.loop import Log, TrainResult


def work(request: dict[str, Any]) -> None:
    """The worker: leaves a checkpoint and a status that is `trained` or `failed`."""
    out, uri = Path(request["out"]), request["tracking_uri"]
    status = Status.read(out)
    if os.environ.get("RANK", "0") != "0":
        _join_in(request, out)
        return
    try:
        _work(request, status, out, uri).write(out)
    except Exception as error:
        traceback.print_exc()
        give_up(Status.read(out).fail(sentence(error)), out, uri)
    except SystemExit:
        mark_killed(uri, status.run_id)
        raise


def _work(request: dict[str, Any], status: Status, out: Path, uri: str) -> Status:
    """Train, unless somebody has trained the same already; while somebody does, wait for what comes of it."""
    trial = Trial.from_json(request["trial"])
    with alone(uri, trial):
        found = None if trial.forced else take_trained(uri, trial, out)
        return replace(found, started=status.started) if found else _train(request, trial, status, out, uri)


def _train(request: dict[str, Any], trial: Trial, status: Status, out: Path, uri: str) -> Status:
    from components.history import History

    status = replace(status, fingerprint=trial.fingerprint)
    status.write(out)
    with History(out, uri, status.run_id, trial.fingerprint) as history:
        result = _compute(request, trial, history.log)
    shutil.rmtree(Path(request["states"]) / trial.fingerprint, ignore_errors=True)
    status = replace(
        status,
        status="trained",
        parameters=result.parameters,
        steps=result.steps,
        train_seconds=result.seconds,
        untracked=history.error,
    )
    return keep_checkpoint(uri, status, out)


def _join_in(request: dict[str, Any], out: Path) -> None:
    """One of several processes, of which the first speaks for all: compute once that one has decided to train."""
    while (status := Status.read(out)).status == "running" and status.fingerprint is None:
        time.sleep(0.1)
    if status.status == "running":
        _compute(request, Trial.from_json(request["trial"]), lambda _step, _metrics: None)


def _compute(request: dict[str, Any], trial: Trial, log: "Log") -> "TrainResult":
    from training.loop import train_trial as train_model

    plan = plan_of(request["plan"])
    return train_model(
        arm_of(plan, trial.arm).settings,
        trial.seed,
        Path(request["corpus"]),
        Path(request["out"]),
        threads=request["threads"],
        noise=plan.noise,
        log=log,
        states=Path(request["states"]) / trial.fingerprint,
        save_every_s=request["save_every_s"],
    )


if __name__ == "__main__":
    run_worker(work)
