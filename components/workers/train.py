"""The process that trains: what `train_trial` starts. It imports no kfp, which takes two seconds that no trial needs."""

import os
import shutil
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.shared.outcome import give_up, keep_checkpoint, mark_killed, sentence
from components.shared.reuse import alone, take_trained
from components.shared.trial import STATES_FOLDER, Status, Trial, arm_of, plan_of
from components.workers.isolation import run_worker
from recipes.smile import is_final

if TYPE_CHECKING:
    from recipes.smile import Log, TrainResult


def work(request: dict[str, Any]) -> None:
    """The worker: leaves a checkpoint and a status that is `trained` or `failed`."""
    out, uri = Path(request["out"]), request["tracking_uri"]
    if os.environ.get("RANK", "0") != "0":
        _join_in(request, out)
        return
    status = Status.read(out)
    try:
        _work(request, status, out, uri).write(out)
    except Exception as error:
        traceback.print_exc()
        if _others() and not is_final(error):
            raise  # another process may have died, and taken this one with it: that is seen and judged from outside
        give_up(Status.read(out).fail(sentence(error)), out, uri)
    except SystemExit:
        mark_killed(uri, status.run_id)
        raise
    finally:
        _decide(out, "end")


def _work(request: dict[str, Any], status: Status, out: Path, uri: str) -> Status:
    """Train, unless somebody has trained the same already; while somebody does, wait for what comes of it."""
    trial = Trial.from_json(request["trial"])
    with alone(uri, trial):
        found = None if trial.forced else take_trained(uri, trial, out)
        return replace(found, started=status.started) if found else _train(request, trial, status, out, uri)


def _train(request: dict[str, Any], trial: Trial, status: Status, out: Path, uri: str) -> Status:
    from components.shared.history import History

    status = replace(status, fingerprint=trial.fingerprint)
    status.write(out)
    with History(out, uri, status.run_id, trial.fingerprint) as history:
        _decide(out, "train")
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
    while not (decision := _decision(out).read_text() if _decision(out).is_file() else ""):
        time.sleep(0.1)
    if decision == "train":
        try:
            _compute(request, Trial.from_json(request["trial"]), lambda _step, _metrics: None)
        except Exception as error:
            if not is_final(error):
                raise


def _others() -> bool:
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _decision(out: Path) -> Path:
    """Where the first process of one launch of torchrun says whether the others are needed."""
    return out / STATES_FOLDER / f"decision-{os.environ.get('TORCHELASTIC_RUN_ID')}"


def _decide(out: Path, decision: str) -> None:
    if _others() and not _decision(out).exists():
        _decision(out).parent.mkdir(exist_ok=True)
        _decision(out).write_text(decision)


def _compute(request: dict[str, Any], trial: Trial, log: "Log") -> "TrainResult":
    from recipes.smile import train as train_model

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
