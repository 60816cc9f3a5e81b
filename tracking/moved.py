"""Addresses of artifacts in a SQLite store whose folder was moved or copied.

MLflow keeps absolute addresses. Without this, a study that is copied from a GPU machine to a laptop would find none of its trials,
and a copy on the same machine would write into the original.
"""

from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

FOLDER = "artifacts"
# Every column with an address below that of an experiment.
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def place_beside(database: Path, experiment: str) -> Path:
    """Return the folder for the artifacts of an experiment, next to its database."""
    return database.resolve().parent / FOLDER / experiment


def follow(engine: Engine, database: Path) -> None:
    """Let the store refer to the artifacts next to its database, if they were moved or copied with it.

    Only addresses that end like ours are changed, and only where the files are. A database that cannot be written stays as it is.
    """
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, artifact_location FROM experiments")).all()
    moved = {
        place: here.as_uri()
        for name, place in rows
        if (here := place_beside(database, name)).as_uri() != place and _is_ours(place, name) and here.is_dir()
    }
    if moved:
        try:
            with engine.begin() as connection:
                for before, now in moved.items():
                    _replace(connection, before, now)
        except OperationalError as error:
            if "readonly" not in str(error):
                raise


def _is_ours(place: str | None, experiment: str) -> bool:
    """Return whether an address has the form that `place_beside` gives, in another folder."""
    return (
        place is not None and place.startswith("file:") and place.endswith(Path("/", FOLDER, experiment).as_uri()[7:])
    )


def _replace(connection: Connection, place: str, here: str) -> None:
    """Replace the start of every address at or below `place`."""
    for table, column in COLUMNS:
        connection.execute(
            text(
                f"UPDATE {table} SET {column} = :here || substr({column}, :length + 1) "
                f"WHERE {column} = :place OR substr({column}, 1, :length + 1) = :place || '/'"
            ),
            {"here": here, "place": place, "length": len(place)},
        )
