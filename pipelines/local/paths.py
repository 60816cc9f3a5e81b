"""Default paths of studies, prepared corpora and the MLflow store."""

import os
from pathlib import Path

STUDIES = Path("studies")
CORPORA = Path("corpora-cache")
STUDY = "study.json"  # equals ablation.results.STUDY, whose import takes a second
DELIVERY = ".delivery"  # in a study's folder: complete new results that are not yet in their place


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, or the address of a database next to the studies."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(STUDIES / 'mlflow.db').resolve()}"
