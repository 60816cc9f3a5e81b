"""Names of the trials of a run on a cluster, from MLflow."""

import os

from pipelines.local import paths

SKEW_S = 60.0  # possible difference of the clocks


def trial_names(study: str, code_rev: str, opened_after: float) -> dict[int, str]:
    """Return iteration of the loop, from 0 -> arm and seed. Empty if the server of MLFLOW_TRACKING_URI does not answer.

    `opened_after` is the time of submission, in seconds since 1970. The names are for display only.
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
