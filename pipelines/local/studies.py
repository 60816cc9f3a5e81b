"""The studies that ran on this machine, found by their names."""

import contextlib
from pathlib import Path

from common.errors import UserError
from common.hints import did_you_mean
from pipelines.local.listing import LOG, RUNNING, UNFINISHED, state_of
from pipelines.local.paths import DELIVERY, STUDIES, STUDY
from pipelines.local.study_folder import finish_delivery, locked


def study_folder(study: str) -> Path:
    """Return the folder of a finished study, which is given as a path or by its name. Raises UserError if there is none."""
    for folder in (Path(study), STUDIES / study):
        if _holds_study(folder):
            return folder
    for folder in (Path(study), STUDIES / study):
        if state_without_result(folder):
            raise UserError(f"study {study!r} has no result: {state_without_result(folder)}")
    known = sorted(path.parent.name for path in STUDIES.glob(f"[!.]*/{STUDY}"))
    hint = did_you_mean(study, known) if known else "; run one first: ablate run plans/smoke.yaml"
    raise UserError(f"no study {study!r}: neither a folder with {STUDY} nor a name in {STUDIES}/{hint}")


def latest_study() -> Path:
    """Return the folder of the study that ended last. Raises UserError if there is none."""
    found = sorted(STUDIES.glob(f"[!.]*/{STUDY}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"no study in {STUDIES}/; run one first: ablate run plans/smoke.yaml")
    return found[-1].parent


def state_without_result(folder: Path) -> str | None:
    """Return why a run in the folder has left no result, with what to do; None if no run was there, or if it has a result."""
    if not (folder / LOG).is_file() or (folder / STUDY).is_file():
        return None
    if state_of(folder) == RUNNING:
        return "it is running; wait for its end"
    return f"its run was interrupted or failed (see {folder / LOG}); the same `ablate run` continues it"


def later_run(folder: Path) -> str | None:
    """Return a sentence if the result in a study's folder is not that of its last run; None if it is."""
    state = state_of(folder)
    if state == RUNNING:
        return f"a run in {folder} is not finished; what follows is the result of an earlier run"
    if state == UNFINISHED:
        return f"the last run in {folder} was interrupted or failed; what follows is the result of an earlier run"
    return None


def _holds_study(folder: Path) -> bool:
    """Return whether a study is in the folder. A delivery that a kill interrupted is finished first."""
    if (folder / DELIVERY).is_dir():
        with contextlib.suppress(UserError), locked(folder):  # a run that holds the folder finishes it itself
            finish_delivery(folder)
    return (folder / STUDY).is_file()
