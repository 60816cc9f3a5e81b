"""Which trials a run on a cluster is at, as MLflow knows them."""

import os

from pipelines.local import paths

SKEW_S = 60.0  # by which clocks may differ


def trial_names(study: str, code_rev: str, opened_after: float) -> dict[int, str]:
    """Turn of the loop, from 0 -> arm and seed; empty where MLFLOW_TRACKING_URI names none that answers from here.

    `opened_after` is when the run was submitted, in seconds since 1970. Nothing depends on these names but what is shown.
    """
    from components.shared.history import attempt
    from tracking.reuse import turns

    found: dict[int, str] = {}

    def ask() -> None:
        known = turns(paths.tracking_uri(), study, code_rev, opened_after - SKEW_S)
        found.update({turn: f"{arm} seed {seed}" for turn, (arm, seed) in known.items()})

    if os.environ.get("MLFLOW_TRACKING_URI"):
        attempt(ask)
    return found
