"""How long MLflow's client goes on asking a server that is away. Imports no mlflow."""

import os

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}


def use_short_timeouts() -> None:
    """Some twenty seconds, where nothing else is set, and not the quarter of an hour that MLflow would by itself."""
    for key, value in PATIENCE.items():
        os.environ.setdefault(key, value)
