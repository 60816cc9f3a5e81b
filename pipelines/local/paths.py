"""Where things lie by default."""

import os
from pathlib import Path

from common.errors import UserError
from common.hints import did_you_mean

STUDIES = Path("studies")
CORPORA = Path("corpora-cache")
STUDY = "study.json"  # ablation.results.STUDY, whose import takes a second


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or a database beside the studies."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(STUDIES / 'mlflow.db').resolve()}"


def study_folder(study: str) -> Path:
    """The folder of a study that was run, given as a path or by its name. Raises UserError."""
    for folder in (Path(study), STUDIES / study):
        if (folder / STUDY).is_file():
            return folder
    known = sorted(path.parent.name for path in STUDIES.glob(f"*/{STUDY}"))
    hint = did_you_mean(study, known) if known else "; run one first: ablate run plans/smoke.yaml"
    raise UserError(f"no study {study!r}: neither a folder with {STUDY} nor a name in {STUDIES}/{hint}")


def latest_study() -> Path:
    """The study that ended last. Raises UserError where there is none."""
    found = sorted(STUDIES.glob(f"*/{STUDY}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UserError(f"no study in {STUDIES}/; run one first: ablate run plans/smoke.yaml")
    return found[-1].parent
