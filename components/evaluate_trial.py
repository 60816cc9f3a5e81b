"""Transcribe the test split with a trial's checkpoint under every condition, and count the word errors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.shared.image import component
from components.shared.outcome import give_up
from components.shared.trial import HISTORY_FILE, Status
from components.workers.isolation import run_isolated


def evaluate(
    plan: Mapping[str, Any], corpus: Path, trained: Path, out: Path, *, tracking_uri: str, threads: int, gpus: int = 0
) -> Status:
    """Score in a process of its own; `out` gets the counts, the curves and the status. Never raises for a failure."""
    Status.read(trained).write(out)
    if (trained / HISTORY_FILE).is_file():
        (out / HISTORY_FILE).write_bytes((trained / HISTORY_FILE).read_bytes())
    if Status.read(out).status in ("failed", "reused"):
        return Status.read(out)
    request = {
        "plan": dict(plan),
        "corpus": str(corpus),
        "trained": str(trained),
        "out": str(out),
        "tracking_uri": tracking_uri,
        "threads": threads,
        "gpus": gpus,
    }
    reason = run_isolated("components.workers.evaluate", request)
    if reason:
        give_up(Status.read(out).fail(reason), out, tracking_uri)
    return Status.read(out)


@component
def evaluate_trial(
    tracking_uri: str,
    threads: int,
    gpus: str,
    resolved: Input[Artifact],
    corpus: Input[Dataset],
    trained: Input[Model],
    scored: Output[Dataset],
    metrics: Output[Metrics],
) -> None:
    """The step of the pipeline."""
    from pathlib import Path

    from components.evaluate_trial import evaluate
    from components.shared.inputs import gpu_count, store_of
    from components.shared.trial import Resolved

    status = evaluate(
        Resolved.read(resolved.path).plan,
        Path(corpus.path),
        Path(trained.path),
        Path(scored.path),
        tracking_uri=store_of(tracking_uri),
        threads=threads,
        gpus=gpu_count(gpus),
    )
    for name, value in status.plain_wer().items():
        metrics.log_metric(name, value)
    for artifact in (scored, metrics):
        artifact.metadata["display_name"] = status.label
