"""Transcribe the test split with a trial's checkpoint under every condition, and count the word errors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfp.dsl import Dataset, Input, Model, Output

from components._image import component
from components.isolation import run_isolated
from components.outcome import give_up
from components.trial import HISTORY_FILE, Status


def evaluate(
    plan: Mapping[str, Any], corpus: Path, trained: Path, out: Path, *, tracking_uri: str, threads: int
) -> Status:
    """Score in a process of its own; `out` gets the counts, the curves and the status. Never raises for a failure."""
    Status.read(trained).write(out)
    if (trained / HISTORY_FILE).is_file():
        (out / HISTORY_FILE).write_bytes((trained / HISTORY_FILE).read_bytes())
    if Status.read(out).failed:
        return Status.read(out)
    request = {
        "plan": dict(plan),
        "corpus": str(corpus),
        "trained": str(trained),
        "out": str(out),
        "tracking_uri": tracking_uri,
        "threads": threads,
    }
    reason = run_isolated("components.evaluate_worker", request)
    if reason:
        give_up(Status.read(out).fail(reason), out, tracking_uri)
    return Status.read(out)


@component
def evaluate_trial(
    plan: dict,
    tracking_uri: str,
    threads: int,
    corpus: Input[Dataset],
    trained: Input[Model],
    scored: Output[Dataset],
) -> None:
    """The step of the pipeline."""
    from pathlib import Path

    from components.evaluate_trial import evaluate

    evaluate(
        plan,
        Path(corpus.path),
        Path(trained.path),
        Path(scored.path),
        tracking_uri=tracking_uri,
        threads=threads,
    )
