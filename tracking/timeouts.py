"""Timeouts of MLflow's client for a server that does not answer. Imports no mlflow."""

import os


def use_short_timeouts(retries: int = 3, timeout_s: int = 20) -> None:
    """Limit retries and the seconds of one try, unless the environment already does. MLflow's defaults add up to 15 minutes."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(retries))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(timeout_s))
