"""Transcribe the test split with a trial's checkpoint under every condition, and count the word errors."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.shared.image import component
from components.shared.outcome import marking_killed, record_failure, store_checkpoint, store_scores
from components.shared.reuse import log_reused, take_scored
from components.shared.trial import HISTORY_FILE, Status
from components.workers.isolation import Run, Start, exiting_on_sigterm, fresh

WORKER = "components.workers.evaluate"


def evaluate(
    plan: Mapping[str, Any],
    corpus: Path,
    trained: Path,
    out: Path,
    *,
    tracking_uri: str,
    threads: int,
    start: Start = fresh,
) -> Status:
    """Score a trial, or take the counts of an earlier one with the same evaluation. Never raises for a worker's failure.

    `out` gets the counts, the curves and the status. A trial that failed, or that needed no step, only passes through.
    """
    status = Status.read(trained).write(out)
    if (trained / HISTORY_FILE).is_file():
        shutil.copyfile(trained / HISTORY_FILE, out / HISTORY_FILE)
    if status.status in ("failed", "reused"):
        return status
    request = {
        "plan": dict(plan),
        "corpus": str(corpus),
        "trained": str(trained),
        "out": str(out),
        "tracking_uri": tracking_uri,
        "threads": threads,
    }
    with exiting_on_sigterm(), start(WORKER) as run, marking_killed(tracking_uri, status.run_id):
        ended = _take(status, out, tracking_uri) or _score(run, request, trained, out)
        return ended.write(out)


def _take(status: Status, out: Path, uri: str) -> Status | None:
    """Take the result of an earlier trial that scored the same checkpoint in the same way; None if there is none.

    Only the checkpoint of an earlier trial is looked up. One that this study trained is new, or its arm was forced.
    """
    from components.shared.history import attempt

    found = take_scored(uri, status, out) if status.reused_from else None
    if found is None:
        return None
    error = attempt(lambda: log_reused(uri, found, out))
    return replace(found, untracked=error, ended=time.time())


def _score(run: Run, request: Mapping[str, Any], trained: Path, out: Path) -> Status:
    """Let the worker score, then store the result that it left in `out` in MLflow."""
    from components.shared.history import attempt

    reason, uri = run(request), request["tracking_uri"]
    status = Status.read(out).fail(reason) if reason else Status.read(out)
    if status.failed:
        return record_failure(status, out, uri)
    if status.model_id is None:  # MLflow was not available when training ended
        status = store_checkpoint(uri, status, trained)
    status.write(out)
    error = attempt(lambda: store_scores(uri, status, out))
    return replace(status, untracked=status.untracked or error)


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
    """Transcribe the test split with a trial's checkpoint under every condition of the plan, and count the word errors.

    MLflow: logs the WERs on the trial's run and on its checkpoint, stores the counts with the run, and ends the run as
    FINISHED, FAILED or KILLED. A trial that fails does not fail the step.

    Args:
        tracking_uri: Address of the MLflow server. Empty takes MLFLOW_TRACKING_URI of the step.
        threads: CPU threads of the scoring process.
        gpus: Number of GPUs, a whole number as text. The step checks it; scoring uses the GPU that it finds.
        resolved: Input. The plan and its trials, as resolve_plan wrote them.
        corpus: Input. The prepared corpus.
        trained: Input. The folder that train_trial wrote.
        scored: Output. A folder with the counts of word errors (counts.parquet), the curves (history.jsonl) and the status
            of the trial (status.json), which is `finished`, `failed`, or `reused` if nothing was left to do.
        metrics: Output. The WER of each condition, for the comparison of runs on Kubeflow's pages.

    Returns:
        Nothing. The outcome of the trial is in `scored`.
    """
    from pathlib import Path

    from components.evaluate_trial import evaluate
    from components.shared.inputs import gpu_count, store_of
    from components.shared.problem import reporting
    from components.shared.trial import Resolved
    from components.workers.isolation import chosen_start

    with reporting("evaluate-trial"):
        gpu_count(gpus)
        status = evaluate(
            Resolved.read(resolved.path).plan,
            Path(corpus.path),
            Path(trained.path),
            Path(scored.path),
            tracking_uri=store_of(tracking_uri),
            threads=threads,
            start=chosen_start(),
        )
        for name, value in status.plain_wer().items():
            metrics.log_metric(name, value)
        for artifact in (scored, metrics):
            artifact.metadata["display_name"] = status.label
