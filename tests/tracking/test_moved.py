"""A SQLite store that is moved or copied with its artifacts refers to them at the new place."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from common.errors import UserError
from tracking.database import SQLITE
from tracking.downloads import download, place_of
from tracking.store import client, experiment, prepare_store

NAME = "my study, 50 % longer"


def address(folder: Path) -> str:
    return f"{SQLITE}{folder}/mlflow.db"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a run that has a file, which is registered as a model."""
    folder = tmp_path / "here"
    uri = address(folder)
    prepare_store(uri)
    run = client(uri).create_run(experiment(uri, NAME))
    client(uri).log_text(run.info.run_id, "counted", "trial/counts.txt")
    client(uri).create_logged_model(run.info.experiment_id, name="checkpoint", source_run_id=run.info.run_id)
    client(uri).create_registered_model("model")
    client(uri).create_model_version("model", f"{run.info.artifact_uri}/trial", run.info.run_id)
    return folder


def found(folder: Path, scratch: Path) -> str:
    """Return the text of the file of the only run, as the store in a folder gives it."""
    uri = address(folder)
    [run] = client(uri).search_runs([experiment(uri, NAME)])
    scratch.mkdir()
    return (download(uri, place_of(run, "trial"), scratch) / "counts.txt").read_text()


def test_a_moved_store_has_its_files(store: Path, tmp_path: Path) -> None:
    moved = tmp_path / "other place" / "there"
    moved.parent.mkdir()
    shutil.move(store, moved)
    assert found(moved, tmp_path / "scratch") == "counted"


def test_a_copy_has_files_of_its_own(store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    [file] = copy.rglob("counts.txt")
    file.write_text("changed")
    assert found(copy, tmp_path / "scratch") == "changed"
    assert found(store, tmp_path / "of the original") == "counted"


def test_the_addresses_of_a_moved_store_lie_below_its_folder(store: Path, tmp_path: Path) -> None:
    moved = tmp_path / "there"
    shutil.move(store, moved)
    uri = address(moved)
    place = client(uri).get_experiment_by_name(NAME).artifact_location
    [run] = client(uri).search_runs([experiment(uri, NAME)])
    assert place == (moved / "artifacts" / NAME).as_uri()
    assert run.info.artifact_uri == f"{place}/{run.info.run_id}/artifacts"
    with sqlite3.connect(moved / "mlflow.db") as connection:
        assert str(store) not in "\n".join(connection.iterdump())


def test_a_database_without_its_files_keeps_the_old_place(store: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(store / "mlflow.db", alone)
    assert found(alone, tmp_path / "scratch") == "counted"


def test_artifacts_in_a_place_of_the_users_own_stay_there(store: Path, tmp_path: Path) -> None:
    uri, place = address(store), (tmp_path / "elsewhere").as_uri()
    client(uri).create_experiment("other", artifact_location=place)
    (store / "artifacts" / "other").mkdir()
    shutil.move(store, tmp_path / "there")
    assert client(address(tmp_path / "there")).get_experiment_by_name("other").artifact_location == place


def test_a_moved_store_of_another_version_of_mlflow_stays_unchanged(store: Path, tmp_path: Path) -> None:
    moved = tmp_path / "there"
    shutil.move(store, moved)
    with sqlite3.connect(moved / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'unknown'")
        before = list(connection.iterdump())
    with pytest.raises(UserError, match="newer MLflow"):
        client(address(moved))
    with sqlite3.connect(moved / "mlflow.db") as connection:
        assert list(connection.iterdump()) == before
