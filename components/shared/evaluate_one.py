"""The scoring of one trial: its word errors in the test split under every condition of the plan."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.shared.outcome import mark_killed, marking_killed, record_failure, store_checkpoint, store_scores
from components.shared.reuse import log_reused, take_scored
from components.shared.trial import HISTORY_FILE, Status, plan_of
from components.workers.isolation import Run, Start, fresh
from components.workers.signals import exiting_on_sigterm
from recipes.plans import of

WORKER = "components.workers.evaluate"


def evaluate(
    plan: Mapping[str, Any],
    corpus: Path,
    trained: Path,
    out: Path,
    *,
    tracking_uri: str,
    threads: int,
    gpus: int = 0,
    start: Start = fresh,
) -> Status:
    """Score a trial, or take the counts of an earlier one with the same evaluation. Never raises for a worker's failure.

    `out` gets the counts, the curves and the status. A trial that failed only passes through.
    """
    status = Status.read(trained).write(out)
    if (trained / HISTORY_FILE).is_file():
        shutil.copyfile(trained / HISTORY_FILE, out / HISTORY_FILE)
    if status.failed:
        return status
    request = {
        "plan": dict(plan),
        "corpus": str(corpus),
        "trained": str(trained),
        "out": str(out),
        "tracking_uri": tracking_uri,
        "threads": threads,
        "gpus": gpus,
    }
    with (
        exiting_on_sigterm(),
        start(WORKER, 1, lambda: mark_killed(tracking_uri, status.run_id)) as run,
        marking_killed(tracking_uri, status.run_id),
    ):
        ended = _take(status, out, tracking_uri) or _score(run, request, trained, out)
        return ended.write(out)


def _take(status: Status, out: Path, uri: str) -> Status | None:
    """Take the result of an earlier trial that scored the same checkpoint in the same way; None if there is none.

    Only the checkpoint of an earlier trial is looked up. One that this study trained is new, or its arm was forced.
    """
    from components.shared.history import attempt_patiently

    found = take_scored(uri, status, out).status if status.reused_from else None
    if found is None:
        return None
    found = replace(found, unusable=status.unusable)
    error = attempt_patiently(lambda: log_reused(uri, found, out))
    return replace(found, untracked=error, ended=time.time())


def _score(run: Run, request: Mapping[str, Any], trained: Path, out: Path) -> Status:
    """Let the worker score, then store the result that it left in `out` in MLflow."""
    from components.shared.history import attempt_patiently

    reason, uri = run(request), request["tracking_uri"]
    status = Status.read(out).fail(reason) if reason else Status.read(out)
    if status.failed:
        return record_failure(status, out, uri)
    if status.model_id is None:  # MLflow was not available when training ended
        status = store_checkpoint(uri, status, trained, of(plan_of(request["plan"])).name)
    status.write(out)
    error = attempt_patiently(lambda: store_scores(uri, replace(status, untracked=None), out))
    return replace(status, untracked=error)
