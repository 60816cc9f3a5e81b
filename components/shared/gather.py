"""The results of a study's trials, from MLflow: one folder per trial, whatever has become of it."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from common.checksums import Damaged
from common.errors import Unavailable
from components.shared import history
from components.shared.reuse import brief
from components.shared.stored_counts import check
from components.shared.trial import Status, Trial

if TYPE_CHECKING:
    from tracking.results import Outcome

T = TypeVar("T")

LOST = "its step ended before it reported a result; run the study again, and see the log of the step"
UNREADABLE = "its result is in MLflow, in run {run}, and cannot be used ({why}); run the study again"


def gather(uri: str, trials: Sequence[str], out: Path) -> list[Path]:
    """Fill `out` with a folder per trial, in the order of `trials`, and return these folders.

    A trial without a result in MLflow gets a status that says it failed, and why. So does a trial whose result MLflow has and
    cannot give, after some minutes of trying, and one whose files are damaged.
    """
    from tracking.results import outcomes
    from tracking.several import each

    items = [Trial.from_json(trial) for trial in trials]
    known = ask("the outcomes of the trials", lambda: outcomes(uri, items[0].experiment_id, items[0].study_run_id))
    left, pause_s, ends = items, history.FIRST_PAUSE_S, time.monotonic() + history.PATIENCE_S
    while True:
        tried = each(uri, lambda item: (item, _fill(uri, item, known[item.run_id], out / item.folder)), left)
        failed = [(item, error) for item, error in tried if error]
        left = [item for item, error in failed if not isinstance(error, Damaged)]
        for item, error in failed:
            _say_lost(item, error, out / item.folder)
        if not left or time.monotonic() + pause_s > ends:
            return [out / item.folder for item in items]
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, history.LONGEST_PAUSE_S)


def ask(what: str, call: Callable[[], T]) -> T:
    """Return the answer of MLflow to `call`, which is repeated for some minutes while it fails.

    Raises Damaged at once for files that are damaged, and Unavailable with `what`, in the plural, if there is no answer.
    """
    found: list[T] = []
    damage: list[Damaged] = []

    def once() -> None:
        try:
            found.append(call())
        except Damaged as error:
            damage.append(error)

    error = history.attempt_patiently(once)
    if damage:
        raise damage[0]
    if error:
        remedy = "run the study again when it answers"
        raise Unavailable(f"{what} are kept in MLflow, which did not give them ({error}); {remedy}")
    return found[0]


def _fill(uri: str, item: Trial, outcome: "Outcome", folder: Path) -> Exception | None:
    """Fill a trial's folder. Return why its result cannot be used, after which the folder does not exist."""
    from tracking.results import fetch_result

    if not outcome.stored:
        Status(item.arm, item.seed, item.run_id).fail(outcome.reason or LOST).write(folder)
        return None
    shutil.rmtree(folder, ignore_errors=True)
    try:
        status = check(folder, fetch_result(uri, outcome, folder))
        _check_owner(item, status)
    except Exception as error:  # of the network, the store or a file: the report on the other trials is worth having
        shutil.rmtree(folder, ignore_errors=True)
        return error
    if status.status not in ("finished", "failed"):  # trained, and never scored
        replace(status, model_id=None).fail(outcome.reason or LOST).write(folder)
    return None


def _check_owner(item: Trial, status: Status) -> None:
    if (status.arm, status.seed, status.run_id) != (item.arm, item.seed, item.run_id):
        raise Damaged(f"the files of run {item.run_id} in MLflow are those of {status.label}, run {status.run_id}")


def _say_lost(item: Trial, error: Exception, folder: Path) -> None:
    """Record the trial as failed; a later attempt may replace that."""
    said = brief(error)
    print(
        f"tracking: {item.arm} seed {item.seed}: the results of run {item.run_id} cannot be used ({said})", flush=True
    )
    reason = UNREADABLE.format(run=item.run_id, why=said)
    Status(item.arm, item.seed, item.run_id).fail(reason).write(folder)
