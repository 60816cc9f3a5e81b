"""Train one trial: its checkpoint, its curves and what became of it, in one folder. A failure is data, too."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfp.dsl import Artifact, Dataset, Input, Model, Output

from components._image import component
from components.isolation import run_isolated
from components.outcome import give_up
from components.trial import Status, Trial


def train(
    trial: str,
    plan: Mapping[str, Any],
    corpus: Path,
    out: Path,
    *,
    tracking_uri: str,
    threads: int,
    gpus: int = 0,
) -> Status:
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
        "gpus": gpus,
    }
    reason = run_isolated("components.train_worker", request)
    if reason:
        give_up(Status.read(out).fail(reason), out, tracking_uri)
    return Status.read(out)


@component
def train_trial(
    trial: str,
    tracking_uri: str,
    threads: int,
    gpus: str,
    resolved: Input[Artifact],
    corpus: Input[Dataset],
    trained: Output[Model],
) -> None:
    """The step of the pipeline."""
    from pathlib import Path

    from components.inputs import gpu_count, store_of
    from components.train_trial import train
    from components.trial import Resolved

    status = train(
        trial,
        Resolved.read(resolved.path).plan,
        Path(corpus.path),
        Path(trained.path),
        tracking_uri=store_of(tracking_uri),
        threads=threads,
        gpus=gpu_count(gpus),
    )
    trained.metadata["display_name"] = status.label
