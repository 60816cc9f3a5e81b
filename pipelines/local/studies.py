"""The studies that ran on this machine, found by their names."""

import contextlib
from pathlib import Path

from common.errors import UserError
from common.hints import did_you_mean
from pipelines.local.paths import DELIVERY, STUDIES, STUDY
from pipelines.local.study_folder import finish_delivery, locked


def study_folder(study: str) -> Path:
    """Return the folder of a finished study, which is given as a path or by its name. Raises UserError if there is none."""
    for folder in (Path(study), STUDIES / study):
        if _holds_study(folder):
            return folder
    known = sorted(path.parent.name for path in STUDIES.glob(f"[!.]*/{STUDY}"))
    hint = did_you_mean(study, known) if known else "; run one first: ablate run plans/smoke.yaml"
    raise UserError(f"no study {study!r}: neither a folder with {STUDY} nor a name in {STUDIES}/{hint}")


def latest_study() -> Path:
    """Return the folder of the study that ended last. Raises UserError if there is none."""
    found = sorted(STUDIES.glob(f"[!.]*/{STUDY}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"no study in {STUDIES}/; run one first: ablate run plans/smoke.yaml")
    return found[-1].parent


def _holds_study(folder: Path) -> bool:
    """Return whether a study is in the folder. A delivery that a kill interrupted is finished first."""
    if (folder / DELIVERY).is_dir():
        with contextlib.suppress(UserError), locked(folder):  # a run that holds the folder finishes it itself
            finish_delivery(folder)
    return (folder / STUDY).is_file()
