"""Train one trial: its checkpoint, its curves and what became of it, in one folder. A failure is data, too."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components.shared.image import component
from components.shared.outcome import give_up
from components.shared.trial import STATES_FOLDER, Status, Trial
from components.workers.isolation import run_isolated
from recipes.smile import SAVE_EVERY_S, newest_step


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
) -> Status:
    """Train in a process of its own. Never raises for what goes wrong in there: the status says it.

    A training that was interrupted before, here or in an earlier call with the same `state_root`, goes on from its
    last state. States lie there under the trial's fingerprint, and within `out` where there is no such folder.
    """
    item = Trial.from_json(trial)
    status = Status(item.arm, item.seed, item.run_id, evaluation=item.evaluation, started=time.time())
    if item.done:
        replace(status, status="reused").write(out)
        return Status.read(out)
    status.write(out)
    request = {
        "trial": trial,
        "plan": dict(plan),
        "corpus": str(corpus),
        "out": str(out),
        "tracking_uri": tracking_uri,
        "threads": threads,
        "gpus": gpus,
        "states": str(state_root or out / STATES_FOLDER),
        "save_every_s": save_every_s,
    }
    reason = _see_through(request)
    shutil.rmtree(out / STATES_FOLDER, ignore_errors=True)
    if reason:
        give_up(Status.read(out).fail(reason), out, tracking_uri)
    return Status.read(out)


def _see_through(request: Mapping[str, Any]) -> str | None:
    """Start a worker that died again as long as each one gets further than the last; why the last one ended, or None."""
    reached = 0
    while reason := run_isolated("components.workers.train", request, max(1, request["gpus"])):
        step = newest_step(Path(request["states"]) / str(Status.read(Path(request["out"])).fingerprint)) or 0
        if step <= reached:
            return reason
        print(f"{reason}; going on after step {step}", flush=True)
        reached = step
    return None


@component
def train_trial(
    trial: str,
    tracking_uri: str,
    threads: int,
    gpus: str,
    resolved: Input[Artifact],
    state_root: str,
    corpus: Input[Dataset],
    trained: Output[Model],
) -> None:
    """The step of the pipeline."""
    from pathlib import Path

    from components.shared.inputs import gpu_count, store_of
    from components.shared.trial import Resolved
    from components.train_trial import train

    status = train(
        trial,
        Resolved.read(resolved.path).plan,
        Path(corpus.path),
        Path(trained.path),
        tracking_uri=store_of(tracking_uri),
        threads=threads,
        gpus=gpu_count(gpus),
        state_root=Path(state_root) if state_root else None,
    )
    trained.metadata["display_name"] = status.label
