"""The process that trains, or several of them that torchrun starts. `train_trials` starts it for a trial that has to be trained.

It imports no kfp, which takes two seconds that no trial needs, and it takes no decision about leases or reuse.
"""

import os
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.checkpoint_files import checkpoint_files
from common.errors import UserError
from common.external import external
from components.shared.outcome import is_final, sentence
from components.shared.trial import CHECKPOINT_FOLDER, Status, Trial, arm_of, plan_of
from components.workers.isolation import run_worker
from recipes import optional
from recipes.base import Log, TrainingJob, TrainingResult
from recipes.plans import of


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
        result = _checked(_compute(request, history.log), out)
    replace(
        status,
        status="trained",
        parameters=result.parameters,
        steps=result.steps,
        train_seconds=result.seconds,
        untracked=history.error,
    ).write(out)


def _checked(result: object, out: Path) -> TrainingResult:
    """Return the result of a recipe's training. Raises UserError if it is none, or if no checkpoint was written."""
    if not isinstance(result, TrainingResult):
        raise UserError(f"a recipe's `train` returns a TrainingResult, got {type(result).__name__}: correct the recipe")
    checkpoint_files(out / CHECKPOINT_FOLDER)
    return result


def _is_one_of_several() -> bool:
    return os.environ.get("WORLD_SIZE", "1") != "1"


def _compute(request: dict[str, Any], log: Log) -> TrainingResult:
    plan, trial = plan_of(request["plan"]), Trial.from_json(request["trial"])
    recipe = of(plan)
    job = TrainingJob(
        arm=trial.arm,
        settings=arm_of(plan, trial.arm).settings,
        seed=trial.seed,
        corpus=Path(request["corpus"]),
        out=Path(request["out"]) / CHECKPOINT_FOLDER,
        states=Path(request["states"]),
        log=log,
        noise=optional.training_noise(recipe, plan.noise),
        threads=request["threads"],
        gpus=request["gpus"],
        save_every_s=request["save_every_s"],
        external=external(plan.corpus),
    )
    return recipe.train(job)


if __name__ == "__main__":
    run_worker(work)
