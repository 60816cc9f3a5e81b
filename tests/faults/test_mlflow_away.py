"""MLflow does not answer: every command that needs it says so within 15 s, in one sentence, and changes nothing."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from fault_proxy import ERRORS, FaultProxy
from injection.facts import Reference
from injection.processes import end_all, until_gone
from injection.study import STUDY, Place
from mlflow_servers import MlflowServer, free_port

FULL = bool(os.environ.get("ABLATE_FAULT_FULL"))
WITHIN_S = 15.0
START_S = 3.0  # of the interpreter and the imports on an idle machine
STOPPED_S = 90.0  # when a test gives up
FAILED = 1
COMMANDS = {
    "run": ("run", "plan.yaml"),
    "explain": ("run", "plan.yaml", "--explain"),
    "champion": ("champion", STUDY),
    "rollback": ("champion", STUDY, "--rollback"),
    "gate": ("gate", STUDY),
    "gate from MLflow": ("gate", STUDY, "--from-mlflow"),
    "transcribe": ("transcribe", "{clip}", "--model", f"models:/{STUDY}@champion"),
    "ui": ("ui", STUDY, "--no-browser"),
}
CLOSED, SILENT, FAILING, UNKNOWN, STOPPED = "closed port", "silent", "answers 500", "unknown host", "stopped server"
IN_CI = {(name, CLOSED) for name in ("run", "champion", "ui")} | {(name, SILENT) for name in ("explain", "gate")}
IN_CI |= {("transcribe", FAILING)}


@pytest.fixture(scope="module")
def place(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A copy of the finished study, which no command of this file may change."""
    place = reference.place.copy(tmp_path_factory.mktemp("away") / "place")
    yield place
    end_all(place.root)


@contextlib.contextmanager
def _away(how: str, folder: Path) -> Iterator[str]:
    """The address of a server that does not answer as one does."""
    with contextlib.ExitStack() as stack:
        if how == CLOSED:
            yield f"http://127.0.0.1:{free_port()}"
        elif how == SILENT:  # the kernel accepts, and nobody answers: as with a stopped server
            port = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            yield f"http://127.0.0.1:{port}"
        elif how == FAILING:
            yield stack.enter_context(FaultProxy(free_port(), ERRORS, 1.0)).address
        elif how == UNKNOWN:
            yield "http://mlflow.invalid:5000"
        else:
            server = stack.enter_context(MlflowServer(folder / "server"))
            server.signal(signal.SIGSTOP)
            yield server.address


def _files(place: Place) -> dict[str, int]:
    """Every file of the studies and corpora, with the time of its last change."""
    folders = (place.root / "studies", place.root / "corpora-cache")
    return {str(path): path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*") if path.is_file()}


@pytest.mark.timeout(STOPPED_S + 180)
@pytest.mark.parametrize("how", [CLOSED, SILENT, FAILING, UNKNOWN, STOPPED])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_in_time_that_mlflow_is_away(name: str, how: str, place: Place, tmp_path: Path) -> None:
    if not FULL and (name, how) not in IN_CI:
        pytest.skip("set ABLATE_FAULT_FULL=1 for all pairs")
    clip = f"{place.cache}#{pd.read_parquet(place.cache / 'manifest.parquet')['id'].iloc[0]}"
    before = _files(place)
    with _away(how, tmp_path) as address:
        command = [part.format(clip=clip) for part in COMMANDS[name]]
        start_s = place.finish("champion", "--help").seconds
        run = place.finish(*command, timeout_s=STOPPED_S, MLFLOW_TRACKING_URI=address)
        assert run.code == FAILED, run.said
        assert "Traceback" not in run.said
        assert address.partition("://")[2] in run.said
        assert "MLflow" in run.last
        assert run.seconds < WITHIN_S + max(0, start_s - START_S)  # a busy machine takes longer for the start alone
    assert until_gone(place.root, 5.0)[1] == []
    after = _files(place)
    assert {path for path in before if after.get(path) != before[path] and not path.endswith("run.log")} == set()
