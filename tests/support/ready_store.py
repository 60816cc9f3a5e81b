"""A new MLflow database, made once by MLflow itself and then copied: its migrations take seconds each time."""

import shutil
from functools import lru_cache
from pathlib import Path


class Ready:
    """The folder of the database; tests/conftest.py sets it at the start of a session."""

    folder: Path


@lru_cache
def ready_database() -> Path:
    """Return the file of a SQLite store with all tables, in which nothing is stored. Copy it; do not open it."""
    from tracking.database import prepare_database

    file = Ready.folder / "mlflow.db"
    prepare_database(f"sqlite:///{file}")
    return file


def copy_database(file: Path) -> None:
    """Write a store with all tables at `file`, unless there is one. Makes the folder."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ready_database(), file)
