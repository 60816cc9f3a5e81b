"""Default paths of studies, prepared corpora and the MLflow store."""

import os
from pathlib import Path

from common.store_address import VARIABLE, enter

STUDIES = Path("studies")
CORPORA = Path("corpora-cache")
STUDY = "study.json"  # equals ablation.results.STUDY, whose import takes a second
DELIVERY = ".delivery"  # in a study's folder: complete new results that are not yet in their place


def tracking_uri(given: str | None = None) -> str:
    """Return the address of the MLflow store, without its secrets (see `common.store_address`).

    It is `given`, MLFLOW_TRACKING_URI, or that of a database next to the studies. Raises UserError.
    """
    found = given or os.environ.get(VARIABLE)
    return enter(found) if found else f"sqlite:///{(STUDIES / 'mlflow.db').resolve()}"
