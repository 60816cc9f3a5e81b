"""The nightly dump, by the script that the cluster runs, of a real Postgres: whole, readable, kept for as long as it says."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "base" / "backup.sh"
FOUND = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")), Path(shutil.which("initdb") or "/none")]
BIN = FOUND[0].parent
pytestmark = pytest.mark.skipif(not (BIN / "pg_ctl").is_file(), reason="no Postgres here (Debian: postgresql-15)")


@pytest.fixture
def postgres(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of a server's own that psql and pg_dump reach by the environment; root hands it to the user nobody."""
    tmp_path.chmod(0o755)
    home = tmp_path / "postgres"
    home.mkdir()
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    if as_nobody:
        os.chown(home, 65534, 65534)
        for parent in tmp_path.parents[:-2]:
            parent.chmod(parent.stat().st_mode | 0o011)
    settings = {"PGHOST": str(home), "PGUSER": "mlflow", "PATH": f"{BIN}:{os.environ['PATH']}", "LC_ALL": "C"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    run = lambda *command: subprocess.run([*as_nobody, *command], check=True, capture_output=True, cwd=home)  # noqa: E731
    run("initdb", "--username=mlflow", "--auth=trust", "--no-sync", str(home / "data"))
    run(
        "pg_ctl",
        "-w",
        "-D",
        str(home / "data"),
        "-l",
        str(home / "log"),
        "-o",
        f"-c listen_addresses= -k {home}",
        "start",
    )
    try:
        yield home
    finally:
        run("pg_ctl", "-w", "-D", str(home / "data"), "-m", "immediate", "stop")


def sql(database: str, text: str) -> str:
    command = ["psql", "--no-psqlrc", "-At", "-d", database, "-c", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def back_up(folder: Path, days: int = 14) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["sh", str(SCRIPT), str(folder), str(days)], check=False, capture_output=True, text=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in folder.iterdir())


@pytest.mark.usefixtures("postgres")
def test_backups_restore_expire_and_survive_a_failure(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    old, recent = folder / "old-1.dump", folder / "recent-1.dump"
    for path, days in ((old, 16), (recent, 13)):
        path.write_text("")
        os.utime(path, (time.time() - days * 86400,) * 2)
    sql("postgres", "CREATE DATABASE mlflow")
    sql("mlflow", "CREATE TABLE runs AS SELECT generate_series(1, 1000) AS id")

    failed = back_up(folder)  # there is no second database yet
    assert failed.returncode != 0
    assert "mlflow_auth" in failed.stderr
    assert names(folder) == ["mlflow", "old", "recent"]  # and no half of a dump

    sql("postgres", "CREATE DATABASE mlflow_auth")
    time.sleep(1.1)  # names go by the second
    done = back_up(folder)
    assert done.returncode == 0, done.stderr
    assert names(folder) == ["mlflow", "mlflow", "mlflow_auth", "recent"]
    [dump] = [line for line in done.stdout.splitlines() if "/mlflow-" in line]
    sql("postgres", "CREATE DATABASE restored")
    subprocess.run(["pg_restore", "-d", "restored", dump], check=True)
    assert sql("restored", "SELECT count(*), sum(id) FROM runs") == "1000|500500"
