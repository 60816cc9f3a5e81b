"""The MLflow store: by default a database next to the studies, otherwise any server. Calls use ids, never global state."""

import os
from functools import lru_cache

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException

from common.errors import UserError
from common.redact import redact
from common.store_address import whole
from tracking.database import check_database, database_file, disk_refusal, follow_moved, other_version, prepare_database
from tracking.moved import place_beside
from tracking.probe import away, check_answers, why_away
from tracking.timeouts import use_short_timeouts

KIND = {"mlflow.experimentKind": "custom_model_development"}  # MLflow's pages then show training runs, not traces
CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


@lru_cache
def client(uri: str) -> MlflowClient:
    """Return the client of a store. There is one per process and store, because each client opens its own connections.

    Nothing is created: raises UserError if there is no store in a database yet, and if another version of MLflow wrote it.
    """
    check_database(uri)
    try:
        opened = MlflowClient(tracking_uri=whole(uri), registry_uri=whole(uri))
    except MlflowException as error:
        if (reason := other_version(uri, error)) is None:
            raise
        raise UserError(reason) from error
    follow_moved(uri)  # not before MLflow has compared the tables: those of another version stay unchanged
    return opened


def prepare_store(uri: str) -> None:
    """Create the tables of a database store that has none. A server maintains its own tables.

    Call this once, before trials run in parallel: several first writers damage a new database beyond repair.
    Raises UserError if the database cannot be opened, or if another version of MLflow wrote it.
    """
    prepare_database(uri)


def check_store(uri: str, *, prepare: bool = True) -> None:
    """Check that the store answers and accepts our credentials, and with `prepare` create the tables of an empty database.

    Commands that only read do not prepare, so that they create nothing. Raises, as one sentence, Unavailable within 15 s if the
    store does not answer, and UserError for wrong credentials or addresses and for a database of another version of MLflow.
    """
    check_answers(uri)
    use_short_timeouts()
    if prepare:
        prepare_store(uri)
    elif is_missing(uri):
        return
    try:
        client(uri).search_experiments(max_results=1)
    except UserError:
        raise
    except Exception as error:
        if found := disk_refusal(uri, error):
            raise found from error
        raise _refusal(redact(uri), error) from error


def _refusal(uri: str, error: Exception) -> UserError:
    """Return the reason why a store cannot be used. MLflow's errors have only text, so this reads the text."""
    said = " ".join(redact(str(error)).split())
    if "error code 401" in said:
        given = any(os.environ.get(name) for name in CREDENTIALS)
        problem = "does not accept the credentials" if given else "asks for credentials, and there are none"
        remedy = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or ..._TOKEN"
        return UserError(f"MLflow at {uri} {problem}; {remedy}")
    if "error code 403" in said:
        remedy = "check the user's rights, and --allowed-hosts of the server"
        return UserError(f"MLflow at {uri} answers 403 Forbidden; {remedy}")
    if "failed with " in said and (why := why_away(error)):
        return away(uri, why)
    return UserError(f"MLflow at {uri} cannot be used: {said[:200]}; check `tracking_uri` or MLFLOW_TRACKING_URI")


def is_missing(uri: str) -> bool:
    """Return whether a store is a SQLite database that nobody has created yet."""
    file = database_file(uri)
    return file is not None and not file.is_file()


def experiment(uri: str, name: str) -> str:
    """Return the id of the experiment `name`, which is created if it is missing. Raises UserError if it was deleted."""
    return experiment_with_tags(uri, name)[0]


def experiment_with_tags(uri: str, name: str) -> tuple[str, dict[str, str]]:
    """Return the id of the experiment `name` as `experiment` does, and its tags."""
    found = client(uri).get_experiment_by_name(name)
    if found is None:
        try:
            place = _artifact_location(uri, name)
            return str(client(uri).create_experiment(name, artifact_location=place, tags=dict(KIND))), dict(KIND)
        except MlflowException:  # another study has created it meanwhile, or we did and the reply was lost
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
    return str(found.experiment_id), dict(found.tags)


def _artifact_location(uri: str, name: str) -> str | None:
    """Return the folder for artifacts next to a SQLite database; None for a server, which decides for itself."""
    database = database_file(uri)
    return place_beside(database, name).as_uri() if database else None
