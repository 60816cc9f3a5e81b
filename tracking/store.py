"""The MLflow store: by default a database next to the studies, otherwise any server. Calls use ids, never global state."""

import contextlib
import logging
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.db.utils import (
    _is_empty_database,
    _safe_initialize_tables,
    _upgrade_db,
    create_sqlalchemy_engine_with_retry,
)

from common import disk
from common.errors import UserError
from common.redact import redact
from tracking.timeouts import use_short_timeouts

SQLITE = "sqlite:///"
DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")
CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
UNREACHABLE = {
    "Connection refused": "connection refused",
    "Name or service not known": "no such host",
    "Failed to resolve": "no such host",
    "timed out": "no answer in time",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted",
}


@lru_cache
def client(uri: str) -> MlflowClient:
    """Return the client of a store. There is one per process and store, because each client opens its own connections."""
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def prepare_store(uri: str) -> None:
    """Create or upgrade the tables of a database store, as `mlflow db upgrade` does. A server maintains its own tables.

    Call this once, before trials run in parallel: several first writers damage a new database beyond repair.
    Raises UserError if the database cannot be opened.
    """
    if not uri.startswith(DATABASES):
        return
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    try:
        with _alone(uri):
            engine = create_sqlalchemy_engine_with_retry(uri)
            if _is_empty_database(engine):
                _safe_initialize_tables(engine)
            else:
                _upgrade_db(engine)
            engine.dispose()
    except Exception as error:
        if found := _disk_refusal(uri, error):
            raise found from error
        reason = redact(f"{uri} cannot be used: {str(error).splitlines()[0]}")
        raise UserError(f"the MLflow database {reason}; check MLFLOW_TRACKING_URI") from error


def check_store(uri: str) -> None:
    """Check that the store answers and accepts our credentials, and prepare a database. Raises UserError, one sentence."""
    prepare_store(uri)
    use_short_timeouts()
    try:
        client(uri).search_experiments(max_results=1)
    except Exception as error:
        if found := _disk_refusal(uri, error):
            raise found from error
        raise UserError(_refusal(redact(uri), " ".join(redact(str(error)).split()))) from error


def _refusal(uri: str, said: str) -> str:
    """Return the reason why a store cannot be used, as a sentence. MLflow's errors have only text, so this reads the text."""
    if "error code 401" in said:
        given = any(os.environ.get(name) for name in CREDENTIALS)
        problem = "does not accept the credentials" if given else "asks for credentials, and there are none"
        return f"MLflow at {uri} {problem}; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or ..._TOKEN"
    if "error code 403" in said:
        return f"MLflow at {uri} answers 403 Forbidden; check the user's rights, and --allowed-hosts of the server"
    if "failed with exception" in said:
        why = next((words for mark, words in UNREACHABLE.items() if mark in said), said[-160:])
        return f"MLflow at {uri} cannot be reached: {why}; check `tracking_uri` or MLFLOW_TRACKING_URI"
    return f"MLflow at {uri} cannot be used: {said[:200]}; check `tracking_uri` or MLFLOW_TRACKING_URI"


def _disk_refusal(uri: str, error: Exception) -> UserError | None:
    """Return an error about the disk that has a SQLite store; None if that is not what is wrong."""
    return disk.refusal(error, Path(uri.removeprefix(SQLITE))) if uri.startswith(SQLITE) else None


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Keep other processes of this machine away from the tables of a SQLite store during the block."""
    if not uri.startswith(SQLITE):
        yield
        return
    path = Path(uri.removeprefix(SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


def experiment(uri: str, name: str) -> str:
    """Return the id of the experiment `name`, which is created if it is missing."""
    found = client(uri).get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client(uri).create_experiment(name, artifact_location=_artifact_location(uri, name)))
    except MlflowException:  # another study of this name has created it meanwhile
        found = client(uri).get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def _artifact_location(uri: str, name: str) -> str | None:
    """Return the folder for artifacts next to a SQLite database; None for a server, which decides for itself."""
    if not uri.startswith(SQLITE):
        return None
    return (Path(uri.removeprefix(SQLITE)).resolve().parent / "artifacts" / name).as_uri()
