"""The training of one trial: its checkpoint, its curves and its status, in one folder. A failure is a result, too."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.shared import kept
from components.shared.chunks import clear
from components.shared.outcome import mark_killed, marking_killed, record_failure, store_checkpoint
from components.shared.reuse import Taken, take_trained, training_lease
from components.shared.trial import CHECKPOINT_FOLDER, STATES_FOLDER, Status, Trial, plan_of
from components.workers.isolation import Run, Start, fresh
from components.workers.signals import exiting_on_sigterm
from recipes import optional
from recipes.base import Recipe
from recipes.plans import of

WORKER = "components.workers.train"
SAVE_EVERY_S = 30.0


def train(
    trial: str,
    plan: Mapping[str, Any],
    corpus: Path,
    out: Path,
    *,
    tracking_uri: str,
    threads: int,
    gpus: int = 0,
    state_root: Path | None = None,
    save_every_s: float = SAVE_EVERY_S,
    start: Start = fresh,
) -> Status:
    """Train a trial, or take the checkpoint of an earlier one with the same fingerprint. Never raises for a worker's failure.

    This process holds the lease on the fingerprint while it looks for such a trial and while the worker, started as `start`
    says, trains. If another process holds it, this one waits and then finds that one's checkpoint. A training run that was
    interrupted, here or in an earlier call with the same `state_root`, continues from its last state. States are stored there
    under the trial's fingerprint, and within `out` if `state_root` is None. A result that MLflow did not take stays there.
    """
    item = Trial.from_json(trial)
    status = Status(item.arm, item.seed, item.run_id, evaluation=item.evaluation, started=time.time())
    status = replace(status, fingerprint=item.fingerprint, unusable=item.unusable).write(out)
    states = (state_root or out / STATES_FOLDER) / item.fingerprint
    request = {
        "trial": trial,
        "plan": dict(plan),
        "corpus": str(corpus),
        "out": str(out),
        "tracking_uri": tracking_uri,
        "threads": threads,
        "states": str(states),
        "save_every_s": save_every_s,
        "gpus": gpus,
    }
    recipe = of(plan_of(plan))
    # The worker's process comes first: a fork must not inherit the lease's thread or an open store.
    with (
        exiting_on_sigterm(),
        start(WORKER, max(1, gpus) if recipe.distributed else 1, lambda: mark_killed(tracking_uri, item.run_id)) as run,
        marking_killed(tracking_uri, item.run_id),
        training_lease(tracking_uri, item),
    ):
        taken = Taken() if item.forced else take_trained(tracking_uri, item, out)
        if taken.status:
            ended = replace(taken.status, started=status.started, unusable=item.unusable)
        else:
            replace(status, unusable=item.unusable or taken.unusable).write(out)
            ended = _train(run, request, states, out, recipe)
        ended.write(out)
    shutil.rmtree(out / STATES_FOLDER, ignore_errors=True)
    return ended


def _train(run: Run, request: Mapping[str, Any], states: Path, out: Path, recipe: Recipe) -> Status:
    """Let workers train, then store the result that they left in `out` in MLflow."""
    uri, status, means = request["tracking_uri"], kept.take(states, out, Status.read(out)), {}
    if status is None:
        means = {"threads": request["threads"], "gpus": request["gpus"]}
        reason = _train_through_crashes(run, request, states, recipe)
        status = Status.read(out).fail(reason) if reason else Status.read(out)
    if status.failed:
        return record_failure(status, out, uri)
    status.write(out)
    kept.keep(states, out)
    stored = store_checkpoint(uri, status, out, recipe.name, means)
    if stored.model_id is not None:
        shutil.rmtree(states, ignore_errors=True)
    return stored


def _train_through_crashes(run: Run, request: Mapping[str, Any], states: Path, recipe: Recipe) -> str | None:
    """Start the worker again after a crash as long as each one gets further than the last.

    Return None on success, else why the last worker ended.
    """
    reached = 0
    checkpoint = Path(request["out"]) / CHECKPOINT_FOLDER
    clear(checkpoint)
    while reason := run(request):
        clear(checkpoint)
        step = optional.progress(recipe, states)
        if step <= reached:
            return reason
        print(f"{reason}; training continues after step {step}", flush=True)
        reached = step
    return None
