"""Default paths of studies, prepared corpora and the MLflow store."""

import contextlib
import os
from pathlib import Path

from common.errors import UserError
from common.hints import did_you_mean

STUDIES = Path("studies")
CORPORA = Path("corpora-cache")
STUDY = "study.json"  # equals ablation.results.STUDY, whose import takes a second
DELIVERY = ".delivery"  # in a study's folder: complete new results that are not yet in their place


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or the address of a database next to the studies."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(STUDIES / 'mlflow.db').resolve()}"


def study_folder(study: str) -> Path:
    """Return the folder of a finished study, which is given as a path or by its name. Raises UserError if there is none."""
    for folder in (Path(study), STUDIES / study):
        if _holds_study(folder):
            return folder
    known = sorted(path.parent.name for path in STUDIES.glob(f"*/{STUDY}"))
    hint = did_you_mean(study, known) if known else "; run one first: ablate run plans/smoke.yaml"
    raise UserError(f"no study {study!r}: neither a folder with {STUDY} nor a name in {STUDIES}/{hint}")


def latest_study() -> Path:
    """Return the folder of the study that ended last. Raises UserError if there is none."""
    found = sorted(STUDIES.glob(f"*/{STUDY}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"no study in {STUDIES}/; run one first: ablate run plans/smoke.yaml")
    return found[-1].parent


def _holds_study(folder: Path) -> bool:
    """Return whether a study is in the folder. A delivery that a kill interrupted is finished first."""
    if (folder / DELIVERY).is_dir():
        from pipelines.local.study_folder import finish_delivery, locked

        with contextlib.suppress(UserError), locked(folder):  # a run that holds the folder finishes it itself
            finish_delivery(folder)
    return (folder / STUDY).is_file()
