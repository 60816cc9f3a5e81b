"""The MLflow store: by default a database next to the studies, otherwise any server. Calls use ids, never global state."""

import os
from functools import lru_cache

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException

from common.errors import UserError
from common.redact import redact
from tracking.database import SQLITE, check_database, database_file, other_version, prepare_database
from tracking.timeouts import use_short_timeouts

__all__ = ["SQLITE", "check_store", "client", "experiment", "prepare_store"]

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
    """Return the client of a store. There is one per process and store, because each client opens its own connections.

    Nothing is created: raises UserError if there is no store in a database yet, and if another version of MLflow wrote it.
    """
    check_database(uri)
    try:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    except MlflowException as error:
        if (reason := other_version(uri, error)) is None:
            raise
        raise UserError(reason) from error


def prepare_store(uri: str) -> None:
    """Create the tables of a database store that has none. A server maintains its own tables.

    Call this once, before trials run in parallel: several first writers damage a new database beyond repair.
    Raises UserError if the database cannot be opened, or if another version of MLflow wrote it.
    """
    prepare_database(uri)


def check_store(uri: str, *, prepare: bool = True) -> None:
    """Check that the store answers and accepts our credentials, and with `prepare` create the tables of an empty database.

    Commands that only read do not prepare. Raises UserError, one sentence.
    """
    if prepare:
        prepare_store(uri)
    use_short_timeouts()
    try:
        client(uri).search_experiments(max_results=1)
    except UserError:
        raise
    except Exception as error:
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


def experiment(uri: str, name: str) -> str:
    """Return the id of the experiment `name`, which is created if it is missing. Raises UserError if it was deleted."""
    found = client(uri).get_experiment_by_name(name)
    if found is None:
        try:
            return str(client(uri).create_experiment(name, artifact_location=_artifact_location(uri, name)))
        except (
            MlflowException
        ):  # another study of this name has created it meanwhile, or the reply of the first try was lost
            found = client(uri).get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != LifecycleStage.ACTIVE:
        number = found.experiment_id
        raise UserError(
            f"the experiment {name!r}, of which a study needs one of its name, was deleted in MLflow; restore it with "
            f"`MLFLOW_TRACKING_URI={redact(uri)} mlflow experiments restore --experiment-id {number}`, delete it for good "
            f"with `mlflow gc --experiment-ids {number}` and the store's --backend-store-uri, or rename the study"
        )
    return str(found.experiment_id)


def _artifact_location(uri: str, name: str) -> str | None:
    """Return the folder for artifacts next to a SQLite database; None for a server, which decides for itself."""
    database = database_file(uri)
    return (database.resolve().parent / "artifacts" / name).as_uri() if database else None
