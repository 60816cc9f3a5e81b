"""Every command that needs MLflow says within 15 s, in one line, that MLflow is away. Errors in the middle are one line, too."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mlflow_servers import MlflowServer

ROOT = Path(__file__).parents[2]
CLOSED = "http://127.0.0.1:9"
LONGEST_S = 15.0
COMMANDS = {
    "champion": ["champion", "demo"],
    "rollback": ["champion", "demo", "--rollback"],
    "gate": ["gate", "demo"],
    "gate --from-mlflow": ["gate", "demo", "--from-mlflow"],
    "run": ["run", "plan.yaml"],
    "run --explain": ["run", "plan.yaml", "--explain"],
    "ui": ["ui", "demo", "--no-browser"],
    "transcribe": ["transcribe", "x.mpg", "--model", "models:/demo@champion"],
}


@pytest.fixture
def place(tmp_path: Path, plan_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a plan and a study."""
    plan_file(corpus="synthetic://talking-mouth?train=40&test=8&valid=4")
    (tmp_path / "studies" / "demo").mkdir(parents=True)
    (tmp_path / "studies" / "demo" / "study.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(code: int, out: str, err: str, why: str) -> None:
    assert (code, out, len(err.splitlines())) == (1, "", 1), err
    assert f"cannot be reached: {why}" in err
    assert "then run the same command again" in err


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_nobody_listens(ablate: Callable[..., Any], arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", CLOSED)
    started = time.monotonic()
    answer = ablate(*arguments)
    assert time.monotonic() - started < LONGEST_S
    check(answer.code, answer.out, answer.err, "connection refused")


class BadGateway(BaseHTTPRequestHandler):
    """Answers everything with 502."""

    def do_GET(self) -> None:
        self.send_error(502)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def bad_gateway() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BadGateway) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("name", ["gate", "run", "ui"])
def test_a_proxy_answers_for_a_server_that_is_away(
    ablate: Callable[..., Any], name: str, bad_gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bad_gateway)
    answer = ablate(*COMMANDS[name])
    check(answer.code, answer.out, answer.err, "502")


def run(place: Path, *arguments: str) -> tuple[float, "subprocess.CompletedProcess[str]"]:
    """Run a command as people do. Return its seconds, too, with those of its start."""
    command, started = [sys.executable, "-m", "cli.main", *arguments], time.monotonic()
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=place, env=settings, capture_output=True, text=True, check=False)
    return time.monotonic() - started, ended


def test_a_stopped_server(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MlflowServer(place) as server:
        server.signal(signal.SIGSTOP)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
        for name in ("champion", "run"):
            start_s, _ = run(place, "champion", "--help")
            took_s, ended = run(place, *COMMANDS[name])
            assert took_s < LONGEST_S + max(0, start_s - 3)  # a busy machine takes longer for the start alone
            check(ended.returncode, ended.stdout, ended.stderr, "no answer in time")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            "MlflowException('API request to http://me:s3cret@h failed with exception: Connection refused')",
            "no longer answers",
        ),
        (
            "MlflowException('Model with name=demo not found')",
            "MLflow refused a request: Model with name=demo not found",
        ),
        ("requests.ReadTimeout('Read timed out.')", "MLflow no longer answers: no answer in time"),
        (
            "MlflowException('x failed. Error: 502 Server Error: Bad Gateway for url: http://h')",
            "it answers with errors",
        ),
        ("sqlalchemy.exc.OperationalError('x', {}, Exception('database or disk is full'))", "free some space"),
        ("OSError(28, 'No space left on device', '/full/file')", "the disk that has /full/file has no room"),
        ("sqlalchemy.exc.OperationalError('x', {}, Exception('database is locked'))", "has locked its database"),
    ],
)
def test_an_error_of_mlflow_in_the_middle_is_one_line(
    ablate: Callable[..., Any], store: str, error: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException

    from tracking import registry

    names = {"MlflowException": MlflowException, "requests": requests, "sqlalchemy": sqlalchemy}

    def fail(*_: object) -> None:
        raise eval(error, names)

    monkeypatch.setattr(registry, "champion", fail)
    answer = ablate("champion", "demo", "--tracking-uri", store)
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (1, "", 1)
    assert said in answer.err
    assert "s3cret" not in answer.err


def test_a_fault_of_ours_shows_its_traceback_without_secrets(
    ablate: Callable[..., Any], store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tracking import registry

    def fail(*_: object) -> None:
        raise KeyError("http://me:s3cret@host")

    monkeypatch.setattr(registry, "champion", fail)
    answer = ablate("champion", "demo", "--tracking-uri", store)
    assert answer.code == 1
    assert answer.err.splitlines()[0] == "Traceback (most recent call last):"
    assert "KeyError: 'http://me@host'" in answer.err
    assert "s3cret" not in answer.err
