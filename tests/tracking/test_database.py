"""A store in a database is created once, never migrated, and not created by those who only read."""

import contextlib
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from mlflow import MlflowClient
from mlflow.store.db import utils

from common.errors import UserError
from tracking.database import check_database, database_file, newest_revision
from tracking.store import check_store, client, experiment, prepare_store

ROOT = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The address of a store whose tables are really created here."""
    return f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"


def revise(store: str, *changes: str) -> None:
    with contextlib.closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as database, database:
        for change in changes:
            database.execute(change)


def refusal(store: str) -> str:
    said = set()
    for use in (prepare_store, check_store, client):
        client.cache_clear()
        with pytest.raises(UserError) as caught:
            use(store)
        said.add(str(caught.value))
    [sentence] = said
    assert len(sentence.splitlines()) == 1
    return sentence


OLDER = "UPDATE alembic_version SET version_num = '4465047574b1'"  # of MLflow 2.16
NEWER = "UPDATE alembic_version SET version_num = 'ffffffffffff'"


@pytest.mark.parametrize("changes", [(OLDER,), (OLDER, "DROP TABLE logged_model_tags")])
def test_an_older_store_is_refused_and_left_unchanged(store: str, changes: tuple[str, ...]) -> None:
    prepare_store(store)
    revise(store, *changes)
    before = Path(store.removeprefix("sqlite:///")).read_bytes()
    said = refusal(store)
    assert (
        f"make a copy of it, then run `mlflow db upgrade {store}`, after which an older MLflow cannot open it" in said
    )
    assert Path(store.removeprefix("sqlite:///")).read_bytes() == before


def test_a_kill_while_the_tables_are_created_does_no_harm(store: str) -> None:
    """Half of the tables would look like those of an older version, and every later run would be refused."""
    file = Path(store.removeprefix("sqlite:///"))
    command = [sys.executable, "-c", f"from tracking.store import prepare_store; prepare_store({store!r})"]
    process = subprocess.Popen(command, cwd=ROOT)
    while not any(part.stat().st_size > 8192 for part in file.parent.glob(f".{file.name}.*/{file.name}")):
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not file.exists() or file.stat().st_size == 0
    prepare_store(store)
    assert client(store).search_experiments()
    assert {path.name for path in file.parent.iterdir()} == {file.name, f".{file.name}.lock"}


def test_a_newer_store_is_refused(store: str) -> None:
    prepare_store(store)
    revise(store, NEWER)
    assert "was written by a newer MLflow than" in refusal(store)


def test_reading_creates_nothing(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'studies' / 'mlflow.db'}"
    check_store(store, prepare=False)
    for read in (client, check_database):
        with pytest.raises(UserError, match=r"no MLflow store at .*; run a study first"):
            read(store)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b", "a#b", "a&b", "ü 中", "a'b", "a+b", "a%b"])
def test_a_store_lies_in_the_folder_that_its_path_names(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    store = f"sqlite:///{folder / 'mlflow.db'}"
    prepare_store(store)
    number = experiment(store, "demo")
    run = client(store).create_run(number)
    client(store).log_text(run.info.run_id, "text", "file.txt")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [path.read_text() for path in folder.rglob("file.txt")] == ["text"]
    read = client(store).download_artifacts(run.info.run_id, "file.txt")
    assert Path(read).read_text() == "text"


@pytest.mark.parametrize("name", ["a?b", "a?b=c", "a%20b"])
def test_a_path_that_mlflow_reads_otherwise_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="MLflow would write elsewhere"):
        prepare_store(f"sqlite:///{tmp_path}/{name}/mlflow.db")
    assert list(tmp_path.iterdir()) == []
    assert database_file("sqlite:///here.db?timeout=30") == Path("here.db")
    assert database_file("http://127.0.0.1:5000") is None


def test_a_deleted_experiment_is_refused_with_the_remedies(store: str) -> None:
    prepare_store(store)
    number = experiment(store, "demo")
    MlflowClient(store, store).delete_experiment(number)
    with pytest.raises(UserError, match=f"mlflow experiments restore --experiment-id {number}`, delete it for good"):
        experiment(store, "demo")


def test_forehand_a_store_opens_without_a_look_at_the_scripts_of_its_tables(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tracking.forehand

    prepare_store(store)
    client.cache_clear()
    monkeypatch.setattr(ScriptDirectory, "from_config", None)  # to read them fails
    check_store(store)
    assert newest_revision is tracking.forehand.newest_revision is utils._get_latest_schema_revision
