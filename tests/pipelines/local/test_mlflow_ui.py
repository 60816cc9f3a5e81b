"""MLflow's server of `ablate ui` ends with the command, however that ends, and shows no secret in its arguments."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ready_store import copy_database
from rich.console import Console

from ablation.records import Study
from ablation.results import write_study
from common.errors import UserError
from pipelines.local.mlflow_ui import serve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="parents' deaths are seen on Linux only"),
]
ROOT = Path(__file__).parents[3]
LATEST_S = 5.0


def processes_with(variable: str) -> list[int]:
    """Processes with this text among the variables of their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            running = not (folder / "stat").read_text().rpartition(") ")[2].startswith("Z")
            if running and variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def write(folder: Path, mlflow: dict[str, str] | None) -> None:
    study = Study(
        study="s", preset="tiny", corpus={}, seeds=[1], conditions=["clean"], arms=[], trials=[], mlflow=mlflow
    )
    write_study(study, folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"mlflow": {}}'])
def test_a_damaged_study_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(UserError, match=r"study\.json"):
        serve(tmp_path, "sqlite:///none.db", port=5000, browser=False, console=Console())


def test_a_study_without_a_run_in_mlflow_is_refused(tmp_path: Path) -> None:
    write(tmp_path, mlflow=None)
    with pytest.raises(UserError, match="names none; run the study again"):
        serve(tmp_path, "sqlite:///none.db", port=5000, browser=False, console=Console())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_server_ends_with_the_command(tmp_path: Path, number: int) -> None:
    write(tmp_path, mlflow={"experiment_id": "1", "study_run_id": "2"})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    copy_database(tmp_path / "s3cret.db")
    settings = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/s3cret.db",
        "PYTHONPATH": str(ROOT),
        "CASE": str(tmp_path),
    }
    command = [sys.executable, "-m", "cli.main", "ui", str(tmp_path), "--port", str(port), "--no-browser"]
    with subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"http://127.0.0.1:{port}/")
        started = processes_with(f"CASE={tmp_path}")
        assert len(started) >= 3
        assert not [pid for pid in started if b"s3cret" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        process.send_signal(number)
        deadline = time.monotonic() + LATEST_S
        while processes_with(f"CASE={tmp_path}"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
