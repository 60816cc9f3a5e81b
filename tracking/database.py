"""The tables of a store in a database. We create them in an empty database, and never change those of another MLflow version.

MLflow itself migrates an old database as soon as a client opens it, after which an older MLflow cannot read it any more. So a
database is looked at before a client exists.
"""

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from alembic.script import ScriptDirectory
from filelock import FileLock
from mlflow.store.db import utils
from mlflow.store.db.utils import (
    _all_tables_exist,
    _get_alembic_config,
    _get_schema_version,
    _initialize_tables,
    _is_empty_database,
    _safe_initialize_tables,
    create_sqlalchemy_engine,
)
from mlflow.version import VERSION
from sqlalchemy.engine import Engine

from common import disk
from common.errors import UserError
from common.files import atomic_path
from common.redact import redact
from common.store_address import whole
from tracking.moved import follow

SQLITE = "sqlite:///"
ENCODED = re.compile("%[0-9A-Fa-f]{2}")
DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")
# The newest revision of the tables. A look compiles 67 scripts of MLflow, which looks again for each store that it opens.
newest_revision = cache(utils._get_latest_schema_revision)
utils._get_latest_schema_revision = newest_revision


def database_file(uri: str) -> Path | None:
    """Return the file of a SQLite store; None for other stores.

    Raises UserError for a path with `?`, after which an address has its options, or with `%20` and the like, which MLflow decodes
    for its artifacts, and for a database in memory.
    """
    if not uri.startswith(SQLITE):
        return None
    path, _, options = uri.removeprefix(SQLITE).partition("?")
    if "/" in options or ENCODED.search(path):
        raise UserError(
            f"the path of a SQLite store has neither '?' nor '%' with two digits, got {uri!r}: MLflow would write elsewhere; "
            "rename that folder, or set MLFLOW_TRACKING_URI to another path"
        )
    if path in ("", ":memory:"):
        raise UserError(f"several processes use the store, so SQLite needs a file for it, got {uri!r}; name a file")
    return Path(path)


def prepare_database(uri: str) -> None:
    """Create the tables of an empty database, and its file and folder. Raises UserError if it cannot be used."""
    if not uri.startswith(DATABASES):
        return
    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    file = database_file(uri)
    with _one_sentence(uri):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        with _alone(file):
            with _opened(uri) as engine:
                empty = _is_empty_database(engine)
            if empty:
                _create_tables(uri, file)
            with _opened(uri) as engine:
                _compare(uri, engine)


def _create_tables(uri: str, file: Path | None) -> None:
    """Create the tables. In SQLite they appear all at once: a kill in the middle leaves an empty database.

    Only one process at a time creates those of SQLite, so MLflow's lock, a file that stays in the temporary folder, is not needed.
    """
    if file is None:
        with _opened(uri) as engine:
            _safe_initialize_tables(engine)
        return
    with atomic_path(file.resolve()) as part, _opened(f"{SQLITE}{part}") as engine:
        _initialize_tables(engine)


def check_database(uri: str) -> None:
    """Check that a database has the tables of this version of MLflow. Nothing is created. Raises UserError."""
    if not uri.startswith(DATABASES):
        return
    file = database_file(uri)
    none = f"no MLflow store at {redact(uri)}; run a study first, or set MLFLOW_TRACKING_URI"
    if file is not None and not file.is_file():
        raise UserError(none)
    with _one_sentence(uri), _opened(uri) as engine:
        if _is_empty_database(engine):
            raise UserError(none)
        if not _all_tables_exist(engine):  # MLflow's client would create what is missing; it compares the rest itself
            _compare_at_rest(uri, file, engine)


def follow_moved(uri: str) -> None:
    """Let a SQLite store of this version of MLflow refer to the artifacts next to it, if its folder was moved or copied."""
    if (file := database_file(uri)) is not None:
        with _one_sentence(uri), _opened(uri) as engine:
            follow(engine, file)


def other_version(uri: str, error: Exception) -> str | None:
    """Return the sentence in place of MLflow's error about a database of another version; None for other errors."""
    if "out-of-date database schema" in str(error):
        try:
            with _opened(uri) as engine:
                _compare_at_rest(uri, database_file(uri), engine)
        except UserError as found:
            return str(found)
    return None


def _compare_at_rest(uri: str, file: Path | None, engine: Engine) -> None:
    """Compare once no process of this machine creates tables in the database any more."""
    lock = _lock(file) if file is not None else None
    with _alone(file if lock is not None and lock.exists() and os.access(lock, os.W_OK) else None):
        _compare(uri, engine)


def _compare(uri: str, engine: Engine) -> None:
    """Compare the revision of the tables with that of this MLflow. Raises UserError if they differ."""
    found, ours = _get_schema_version(engine), newest_revision()
    if found == ours:
        return
    place = redact(uri)
    known = {script.revision for script in ScriptDirectory.from_config(_get_alembic_config("")).walk_revisions()}
    if found is not None and found not in known:
        raise UserError(
            f"the MLflow database {place} was written by a newer MLflow than {VERSION} (revision {found}); install the version "
            "of MLflow that its other users have, or set MLFLOW_TRACKING_URI to another store"
        )
    raise UserError(
        f"the MLflow database {place} was written by an older MLflow than {VERSION} and is left unchanged; make a copy of it, "
        f"then run `mlflow db upgrade {place}`, after which an older MLflow cannot open it, or set MLFLOW_TRACKING_URI to "
        "another store"
    )


@contextlib.contextmanager
def _opened(uri: str) -> Iterator[Engine]:
    engine = create_sqlalchemy_engine(whole(uri))
    try:
        yield engine
    finally:
        engine.dispose()


@contextlib.contextmanager
def _one_sentence(uri: str) -> Iterator[None]:
    """Say an error of the database during the block as one sentence."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if found := disk_refusal(uri, error):
            raise found from error
        reason = redact(f"{uri} cannot be used: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
        raise UserError(f"the MLflow database {reason}; check MLFLOW_TRACKING_URI") from error


def disk_refusal(uri: str, error: Exception) -> UserError | None:
    """Return an error about the disk that has a SQLite store; None if that is not what is wrong."""
    file = database_file(uri)
    return None if file is None else disk.refusal(error, file)


@contextlib.contextmanager
def _alone(file: Path | None) -> Iterator[None]:
    """Keep other processes of this machine away from the tables of a SQLite store during the block."""
    with FileLock(_lock(file)) if file is not None else contextlib.nullcontext():
        yield


def _lock(file: Path) -> Path:
    return file.with_name(f".{file.name}.lock")
