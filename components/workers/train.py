"""The process that trains, or several of them that torchrun starts. `train_trials` starts it for a trial that has to be trained.

It imports no kfp, which takes two seconds that no trial needs, and it takes no decision about leases or reuse.
"""

import os
import traceback
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.shared.outcome import sentence
from components.shared.trial import Status, Trial, arm_of, plan_of
from components.workers.isolation import run_worker
from recipes.smile import is_final

if TYPE_CHECKING:
    from recipes.smile import Log, TrainResult


def work(request: dict[str, Any]) -> None:
    """Train; leave a checkpoint, the curves and a status that is `trained` or `failed` in the folder `request["out"]`.

    Only the first of several processes writes there. Raises if the failure may be the fault of another process.
    """
    try:
        if os.environ.get("RANK", "0") == "0":
            _train(request)
        else:
            _compute(request, lambda _step, _metrics: None)
    except Exception as error:
        if _is_one_of_several() and not is_final(error):
            raise  # another process may have died and taken this one with it: the step sees that, and judges
        if os.environ.get("RANK", "0") == "0":
            traceback.print_exc()
            out = Path(request["out"])
            Status.read(out).fail(sentence(error)).write(out)


def _train(request: dict[str, Any]) -> None:
    from components.shared.history import History

    out, uri = Path(request["out"]), request["tracking_uri"]
    status = Status.read(out)
    with History(out, uri, status.run_id, str(status.fingerprint)) as history:
        result = _compute(request, history.log)
    replace(
        status,
        status="trained",
        parameters=result.parameters,
        steps=result.steps,
        train_seconds=result.seconds,
        untracked=history.error,
    ).write(out)


def _is_one_of_several() -> bool:
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _compute(request: dict[str, Any], log: "Log") -> "TrainResult":
    from recipes.smile import train as train_model

    plan, trial = plan_of(request["plan"]), Trial.from_json(request["trial"])
    return train_model(
        arm_of(plan, trial.arm).settings,
        trial.seed,
        Path(request["corpus"]),
        Path(request["out"]),
        threads=request["threads"],
        noise=plan.noise,
        log=log,
        states=Path(request["states"]),
        save_every_s=request["save_every_s"],
    )


if __name__ == "__main__":
    run_worker(work)
