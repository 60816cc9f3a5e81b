"""The results of a study's trials, from MLflow: one folder per trial, whatever has become of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from components.shared.trial import Status, Trial

if TYPE_CHECKING:
    from tracking.results import Outcome

LOST = "its pod ended before it reported a result; run the study again, and see the log of the pod"


def gather(uri: str, trials: Sequence[str], out: Path) -> list[Path]:
    """Fill `out` with a folder per trial, in the order of `trials`, and return these folders.

    A trial without a result in MLflow gets a status that says it failed, and why. Raises MlflowException if the store cannot give a
    result that it has.
    """
    from tracking.results import outcomes
    from tracking.several import each

    items = [Trial.from_json(trial) for trial in trials]
    known = outcomes(uri, items[0].experiment_id, items[0].study_run_id)
    each(uri, lambda item: _fill(uri, item, known[item.run_id], out / item.folder), items)
    return [out / item.folder for item in items]


def _fill(uri: str, item: Trial, outcome: "Outcome", folder: Path) -> None:
    from tracking.results import fetch_result

    if not outcome.stored:
        Status(item.arm, item.seed, item.run_id).fail(outcome.reason or LOST).write(folder)
        return
    fetch_result(uri, outcome, folder)
    status = Status.read(folder)
    if status.status not in ("finished", "failed"):  # trained, and never scored
        replace(status, model_id=None).fail(outcome.reason or LOST).write(folder)
