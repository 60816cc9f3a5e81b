"""Reuse of earlier trials with the same fingerprint, and the lease that keeps two from training at once. Imports no kfp."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ablation.plan.arms import Arm
from common.errors import UserError
from common.hints import did_you_mean
from common.redact import redact
from components.shared.stored_counts import check
from components.shared.trial import CHECKPOINT_FOLDER, HISTORY_FILE, STATUS_FILE, Status, Trial, read_history

if TYPE_CHECKING:
    from tracking.reuse import Stored
    from tracking.reused import Known

ALL = "*"
OF_TRAINING = (STATUS_FILE, HISTORY_FILE)  # the counts of a trial that is scored again do not matter


def forced_arms(force: str, arms: Sequence[Arm]) -> set[str]:
    """Return the arms that `force` names, separated by commas; `*` names all. Raises UserError for an unknown arm."""
    known = [arm.arm for arm in arms]
    names = [name.strip() for name in force.split(",") if name.strip()]
    if ALL in names:
        return set(known)
    for name in names:
        if name not in known:
            raise UserError(f"cannot train arm {name!r} again: the plan has no such arm{did_you_mean(name, known)}")
    return set(names)


@dataclass(frozen=True)
class Taken:
    """The status of an earlier trial whose result is taken; None if there is none.

    `unusable` says why a result that MLflow has could not be taken; None if there is none, or if an older run had the same result.
    """

    status: Status | None = None
    unusable: str | None = None


def take_scored(uri: str, trial: Trial | Status, out: Path, known: "Sequence[Stored]" = ()) -> Taken:
    """Put the counts, curves and status of an earlier trial with the same evaluation into `out`, if there is one.

    `known` are runs with them that need no search; other runs are searched for if none of these can be used.
    """
    from tracking.reuse import find_scored

    return _take(
        _candidates(known, lambda: find_scored(uri, str(trial.evaluation))),
        lambda stored: _scored(uri, trial, stored, out),
        f"{trial.arm} seed {trial.seed} is not taken from it",
    )


def take_trained(uri: str, trial: Trial, out: Path) -> Taken:
    """Put the checkpoint, curves and status of an earlier trial with the same fingerprint into `out`, if there is one."""
    from tracking.reuse import find_trained

    return _take(
        _candidates((), lambda: find_trained(uri, trial.fingerprint)),
        lambda stored: _trained(uri, trial, stored, out),
        "the trial is trained again",
    )


def _candidates(known: "Sequence[Stored]", find: Callable[[], "list[Stored]"]) -> "Iterator[Stored]":
    """Yield the known runs, then those that `find` finds besides them; an error of the store leaves none."""
    from components.shared.history import attempt

    yield from known
    found: list[Stored] = []
    attempt(lambda: found.extend(find()))
    tried = {stored.run_id for stored in known}
    yield from (stored for stored in found if stored.run_id not in tried)


def _take(candidates: "Iterator[Stored]", take: Callable[["Stored"], Status], otherwise: str) -> Taken:
    """Return the status of the first run that `take` can take. Any error of the store or of a file leaves the next run, or none.

    The work can be repeated, so an error here never fails the trial.
    """
    reason = None
    for stored in candidates:
        try:
            return Taken(take(stored))
        except Exception as error:
            why = unusable(stored.run_id, error)
            print(f"tracking: {why}: {otherwise}", flush=True)
            reason = reason or why
    return Taken(unusable=reason)


def unusable(run_id: str, error: Exception) -> str:
    """Return a clause that says that the results of a run cannot be used, and why, in one line without passwords."""
    return f"the results of run {run_id} cannot be used ({brief(error)})"


def brief(error: Exception) -> str:
    """Return an error in one line without passwords. Of a long one, MLflow's end names the cause, e.g. 502 responses."""
    said = " ".join(redact(str(error)).split()) or type(error).__name__
    return said if len(said) <= 300 else f"{said[:100]} ... {said[-180:]}"


def usable(uri: str, found: "Sequence[Stored]", *, trained: bool = False) -> tuple[str | None, str | None]:
    """Return the first run whose files can be fetched and are as they were stored; and why the newest one cannot be used.

    With `trained`, the counts do not matter, as the trial is scored again. The checkpoint is not fetched: it is large.
    """
    from tracking.reuse import fetch_files
    from tracking.timeouts import use_short_timeouts

    use_short_timeouts()
    reason = None
    for stored in found:
        with TemporaryDirectory(prefix="ablate-") as folder:
            try:
                fetch_files(uri, stored.run_id, Path(folder), stored, OF_TRAINING if trained else None)
                if trained:
                    Status.read(Path(folder))
                else:
                    _finished(check(Path(folder), stored))
                return stored.run_id, reason
            except Exception as error:
                reason = reason or unusable(stored.run_id, error)
    return None, reason


def _finished(status: Status) -> Status:
    """Return the status of a trial. Raises UserError if it failed after it was scored."""
    if status.status != "finished":
        raise UserError(f"its status is {status.status!r}")
    return status


def _scored(uri: str, trial: Trial | Status, stored: "Stored", out: Path) -> Status:
    from tracking.reuse import fetch_files

    with _staging(out) as got:
        earlier = _finished(check(got, fetch_files(uri, stored.run_id, got, stored)))
        status = replace(
            _as_status_of(earlier, trial), status="finished", scored_by=earlier.scored_by or earlier.run_id
        )
        if (earlier.arm, earlier.seed) != (status.arm, status.seed):
            for table in got.glob("*.parquet"):
                _relabel(table, status)
        status.write(got)
    return status


def _trained(uri: str, trial: Trial, stored: "Stored", out: Path) -> Status:
    from tracking.checkpoints import fetch_checkpoint
    from tracking.reuse import fetch_files

    with _staging(out) as got:
        fetch_files(uri, stored.run_id, got, stored, OF_TRAINING)
        earlier = Status.read(got)
        fetch_checkpoint(uri, str(earlier.model_id), got / CHECKPOINT_FOLDER)
        status = replace(
            _as_status_of(earlier, trial), status="trained", evaluate_seconds=None, wer=None, scored_by=None
        )
        status.write(got)
    return status


@contextlib.contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """Yield a temporary folder. Its files move to `out` once all of them are complete, the status last."""
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=".fetched-") as folder:
        yield Path(folder)
        for file in sorted(Path(folder).iterdir(), key=lambda file: file.name == STATUS_FILE):
            if file.is_dir():
                shutil.rmtree(out / file.name, ignore_errors=True)
            file.replace(out / file.name)


def _as_status_of(earlier: Status, trial: Trial | Status) -> Status:
    """Return an earlier trial's status as the status of this one, which may have another arm name.

    It may also be the same trial: a step that was killed runs again and finds what it has stored.
    """
    return replace(
        earlier,
        arm=trial.arm,
        seed=trial.seed,
        run_id=trial.run_id,
        evaluation=trial.evaluation,
        reused_from=earlier.reused_from or (earlier.run_id if earlier.run_id != trial.run_id else None),
        untracked=None,
        unusable=None,
        started=None,
        ended=None,
    )


def _relabel(path: Path, status: Status) -> None:
    import pandas as pd

    table = pd.read_parquet(path)
    if "arm" in table:
        table.assign(arm=status.arm, seed=status.seed).to_parquet(path, index=False)


def log_reused(
    uri: str, status: Status, folder: Path, *, tags: Mapping[str, str] | None = None, known: "Known | None" = None
) -> None:
    """Store the results of a reused trial with its own run, and which run they come from.

    The comparison then needs no run of another study. No durations are logged: this trial took no time. `tags` are more tags of
    the run, and `known` saves the request for it.
    """
    from tracking.reuse import REUSED_FROM, SCORED
    from tracking.reused import store_reused

    scores = {**(status.wer or {}), "parameters": float(status.parameters or 0)}
    said = {**(tags or {}), REUSED_FROM: str(status.reused_from), SCORED: str(status.evaluation)}
    run = known.runs.get(status.run_id) if known else None
    store_reused(uri, status.run_id, folder, scores, read_history(folder), said, run)


@contextlib.contextmanager
def training_lease(uri: str, trial: Trial) -> Iterator[None]:
    """Hold the lease on the trial's fingerprint during the block; without one if the store is not available.

    While another process holds the lease, wait. The lease ends with the block, whatever ends it.
    """
    from components.shared.history import attempt
    from tracking.lease import lease

    with contextlib.ExitStack() as held:
        attempt(lambda: held.enter_context(lease(uri, trial.run_id, trial.fingerprint)))
        yield
