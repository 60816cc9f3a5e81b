"""The process that trains: what `train_trial` starts. It imports no kfp, which takes two seconds that no trial needs."""

import shutil
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.isolation import run_worker
from components.outcome import give_up, keep_checkpoint, mark_killed, sentence
from components.trial import Status, arm_of, plan_of


def work(request: dict[str, Any]) -> None:
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
    status = replace(status, fingerprint=fingerprint)
    status.write(out)
    states = Path(request["states"]) / fingerprint
    with History(out, uri, status.run_id, fingerprint) as history:
        result = train_model(
            settings,
            status.seed,
            corpus,
            out,
            threads=request["threads"],
            noise=plan.noise,
            log=history.log,
            states=states,
            save_every_s=request["save_every_s"],
        )
    shutil.rmtree(states, ignore_errors=True)
    status = replace(
        status,
        status="trained",
        parameters=result.parameters,
        steps=result.steps,
        train_seconds=result.seconds,
        untracked=history.error,
    )
    return keep_checkpoint(uri, status, out)


if __name__ == "__main__":
    run_worker(work)
