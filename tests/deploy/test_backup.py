"""The scripts of the cluster on a real Postgres: dumps are complete, deleted after their time, and restored whole or not."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

BASE = Path(__file__).parents[2] / "deploy" / "base"
FOUND = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")), Path(shutil.which("initdb") or "/none")]
BIN = FOUND[0].parent
pytestmark = pytest.mark.skipif(not (BIN / "pg_ctl").is_file(), reason="no Postgres here (Debian: postgresql-15)")


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start a server in a folder of its own. psql and pg_dump find it by the environment. Under root, it runs as nobody.

    The folder is not below pytest's, which is closed to nobody, again whenever another pytest starts.
    """
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if as_nobody:
            os.chown(home, 65534, 65534)
        settings = {"PGHOST": folder, "PGUSER": "mlflow", "PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C"}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        run = lambda *command: subprocess.run([*as_nobody, *command], check=True, capture_output=True, cwd=home)  # noqa: E731
        run("initdb", "--username=mlflow", "--auth=trust", "--no-sync", f"{home}/data")
        server = ["pg_ctl", "-w", "-D", f"{home}/data"]
        run(*server, "-l", f"{home}/log", "-o", f"-c listen_addresses= -k {home}", "start")
        try:
            yield home
        finally:
            run(*server, "-m", "immediate", "stop")


def sql(database: str, text: str) -> str:
    command = ["psql", "--no-psqlrc", "-At", "-d", database, "-c", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def back_up(folder: Path, days: int = 14) -> "subprocess.CompletedProcess[str]":
    return script("backup.sh", folder, days)


def script(name: str, *words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", str(BASE / name), *map(str, words)], check=False, capture_output=True, text=True)


def aged(path: Path, hours: float) -> Path:
    """Make an empty file that was last written so many hours ago."""
    path.write_text("")
    os.utime(path, (time.time() - hours * 3600,) * 2)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in folder.iterdir())


@pytest.mark.usefixtures("postgres")
def test_backups_restore_expire_and_survive_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    aged(folder / "old-1.dump", hours=16 * 24)
    aged(folder / "recent-1.dump", hours=13 * 24)
    sql("postgres", "CREATE DATABASE mlflow")
    sql("mlflow", "CREATE TABLE runs AS SELECT generate_series(1, 1000) AS id")

    failed = back_up(folder)  # the second database does not exist yet
    assert failed.returncode != 0
    assert "mlflow_auth" in failed.stderr
    assert names(folder) == ["mlflow", "old", "recent"]  # no partial dump

    sql("postgres", "CREATE DATABASE mlflow_auth")
    time.sleep(1.1)  # names have a resolution of one second
    done = back_up(folder)
    assert done.returncode == 0, done.stderr
    assert names(folder) == ["mlflow", "mlflow", "mlflow_auth", "recent"]
    [dump] = [line for line in done.stdout.splitlines() if "/mlflow-" in line]
    sql("postgres", "CREATE DATABASE restored")
    subprocess.run(["pg_restore", "-d", "restored", dump], check=True)
    assert sql("restored", "SELECT count(*), sum(id) FROM runs") == "1000|500500"


@pytest.mark.usefixtures("postgres")
def test_a_part_of_a_killed_job_is_deleted_after_a_day(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    old, running = aged(folder / ".mlflow-1.part", hours=49), aged(folder / ".mlflow-2.part", hours=2)
    back_up(folder)
    assert not old.exists()
    assert running.exists()


@pytest.fixture
def dumped(postgres: Path, tmp_path: Path) -> tuple[Path, str]:
    """Return a folder with the dumps of two small databases, and the time of the dumps. The databases differ by now."""
    assert postgres.is_dir()
    folder = tmp_path / "backups"
    folder.mkdir()
    for database in ("mlflow", "mlflow_auth"):
        sql("postgres", f"CREATE DATABASE {database}")
        sql(database, "CREATE TABLE runs AS SELECT generate_series(1, 1000) AS id")
    assert back_up(folder).returncode == 0
    for database in ("mlflow", "mlflow_auth"):
        sql(database, "DELETE FROM runs WHERE id > 10; CREATE TABLE of_a_later_version (id int)")
    [dump] = folder.glob("mlflow-*.dump")
    return folder, dump.stem.removeprefix("mlflow-")


def counted() -> list[str]:
    tables = "SELECT (SELECT count(*) FROM runs), count(*) FROM pg_tables WHERE schemaname = 'public'"
    return [sql(database, tables) for database in ("mlflow", "mlflow_auth")]


def test_a_dump_is_restored_without_tables_of_a_later_version(dumped: tuple[Path, str]) -> None:
    done = script("restore.sh", *dumped)
    assert (done.returncode, done.stderr) == (0, "")
    assert counted() == ["1000|1", "1000|1"]
    time.sleep(1.1)  # names have a resolution of one second
    assert back_up(dumped[0]).returncode == 0
    latest = max(dumped[0].glob("mlflow-*.dump")).stem.removeprefix("mlflow-")
    assert script("restore.sh", dumped[0], latest).returncode == 0  # what was restored can be dumped and restored again
    assert counted() == ["1000|1", "1000|1"]


def test_a_restore_that_fails_changes_nothing(dumped: tuple[Path, str]) -> None:
    folder, stamp = dumped
    assert f"mlflow-{stamp}.dump" in script("restore.sh", folder, "20000101T000000Z").stdout  # it lists what there is
    dump = folder / f"mlflow-{stamp}.dump"
    whole = dump.read_bytes()
    dump.write_bytes(whole[:-40])  # its list can be read, and its last table cannot
    failed = script("restore.sh", folder, stamp)
    assert failed.returncode == 1
    assert "mlflow is as before" in failed.stdout
    assert counted() == ["10|2", "10|2"]


def test_a_restore_does_not_wait_for_an_mlflow_that_still_runs(dumped: tuple[Path, str]) -> None:
    command = ["psql", "--no-psqlrc", "-d", "mlflow"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write("BEGIN; SELECT count(*) FROM runs;\n")
        other.stdin.flush()
        while "count" not in other.stdout.readline():
            pass
        failed = script("restore.sh", *dumped)
        other.stdin.close()
    assert failed.returncode == 1
    assert "stop MLflow if it still runs" in failed.stdout
    assert counted() == ["10|2", "10|2"]
