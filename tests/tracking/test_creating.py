"""Creations through a network that loses replies, in front of a real MLflow server: nothing exists twice, nothing stays open."""

import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from time import monotonic, sleep

import pytest
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from tracking import creating
from tracking.checkpoints import log_checkpoint, register
from tracking.creating import TOKEN, passes, patiently
from tracking.store import client
from tracking.studies import StudyRuns, end_run, open_study, start_trial, trial_runs

STARTS_S = 180.0
TRIALS = [{"arm": arm, "seed": seed, "part": None, "params": {"x": 1}} for seed in (1, 2) for arm in ("baseline", "b")]
CREATIONS = ("experiments/create", "runs/create", "logged-models", "registered-models/create", "model-versions/create")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a real MLflow server on SQLite."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    where = ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder)]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", place.partition(":")[2]]
    settings = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--workers", "1", *where], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=settings
        )
    try:
        _await(f"http://{place}/health", folder / "log")
        yield place
    finally:
        process.terminate()
        process.wait()


def _await(address: str, log: Path) -> None:
    deadline = monotonic() + STARTS_S
    while monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            sleep(0.2)
    raise RuntimeError(f"MLflow did not start: {log.read_text()[-2000:]}")


class Network(ThreadingHTTPServer):
    """A proxy in front of the server. `fault` says of each request what goes wrong: "", err, drop, late502, or seconds."""

    daemon_threads = True

    def __init__(self, upstream: str, kind: str, share: float, seed: int) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.upstream, self.kind, self.share = upstream, kind, share
        self.random, self.seen = Random(seed), Counter[str]()
        self.once: set[str] = set()

    def fault(self, path: str, method: str) -> str:
        short = path.partition("?")[0].rpartition("mlflow/")[2]
        self.seen[f"{method} {short}"] += 1
        if method == "POST" and short in self.once:
            self.once.discard(short)
            return self.kind
        return self.kind if self.random.random() < self.share else ""


class Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Network

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault(self.path, self.command)
        if fault == "err":
            return self._say(500, b"<html>bad gateway</html>", {})
        if fault == "delay":
            sleep(0.5)
        connection = HTTPConnection(self.server.upstream, timeout=60)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        connection.request(self.command, self.path, body or None, kept)
        answer = connection.getresponse()
        data, given = answer.read(), dict(answer.getheaders())
        connection.close()
        if fault == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self._say(502, b"x", {}) if fault == "late502" else self._say(answer.status, data, given)

    def _say(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.handle_any()

    def do_POST(self) -> None:
        self.handle_any()

    def do_PUT(self) -> None:
        self.handle_any()

    def do_PATCH(self) -> None:
        self.handle_any()

    def do_DELETE(self) -> None:
        self.handle_any()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def network(server: str, kind: str, share: float, seed: int = 1) -> Iterator[tuple[str, Network]]:
    with Network(server, kind, share, seed) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{proxy.server_address[1]}", proxy
        proxy.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again sooner than in a real outage."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    monkeypatch.setattr(creating, "FIRST_PAUSE_S", 0.05)


def study_of(uri: str, name: str, folder: Path) -> StudyRuns:
    """A whole study, as its steps store it: each trial with a checkpoint, the first one registered."""
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    runs = open_study(uri, name, question="Why?", params={"p": 1}, conditions=["clean"], trials=TRIALS)
    models = []
    for number, run_id in enumerate(runs.trials):
        patiently(uri, lambda run_id=run_id, number=number: start_trial(uri, run_id, f"f{number}"))  # type: ignore[misc]
        models.append(patiently(uri, lambda run_id=run_id: log_checkpoint(uri, run_id, folder, {"arm": "x"})))  # type: ignore[misc]
        patiently(uri, lambda run_id=run_id: end_run(uri, run_id, "FINISHED"))  # type: ignore[misc]
    for number, alias in ((0, "baseline"), (1, "candidate"), (0, "champion")):
        register(uri, name, models[number], {"arm": "x", "fingerprint": f"f{number}"}, [alias])
    patiently(uri, lambda: end_run(uri, runs.study, "FINISHED"))
    return runs


def check_alone(uri: str, name: str, runs: StudyRuns) -> None:
    """Check that the study's runs, models and versions exist once, and that none is open, in the trash neither."""
    asked = client(uri)
    found = asked.search_runs([runs.experiment_id])
    assert sorted(run.info.run_id for run in found) == sorted([runs.study, *runs.trials])
    everything = asked.search_runs([runs.experiment_id], run_view_type=ViewType.ALL)
    assert {run.info.status for run in everything} <= {"FINISHED", "KILLED"}
    assert {run.info.status for run in found} == {"FINISHED"}
    assert all(run.data.params["x"] == "1" for run in trial_runs(uri, runs.experiment_id, runs.study))
    models = asked.search_logged_models([runs.experiment_id])
    assert sorted(str(model.source_run_id) for model in models) == sorted(runs.trials)
    assert {str(model.status) for model in models} == {"READY"}
    versions = asked.search_model_versions(f"name = '{name}'")
    assert sorted(version.tags["fingerprint"] for version in versions) == ["f0", "f1"]
    aliases = asked.get_registered_model(name).aliases
    assert aliases["baseline"] == aliases["champion"] != aliases["candidate"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["err", "drop", "late502", "delay"])
def test_a_study_exists_once_behind_a_bad_network(server: str, kind: str, tmp_path: Path) -> None:
    with network(server, kind, share=0.3) as (uri, proxy):
        runs = study_of(uri, f"bad-{kind}", tmp_path / "checkpoint")
    assert sum(proxy.seen.values()) < 400
    check_alone(f"http://{server}", f"bad-{kind}", runs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["drop", "late502"])
@pytest.mark.parametrize("creation", CREATIONS)
def test_a_lost_reply_of_a_creation_leaves_no_ghost(server: str, kind: str, creation: str, tmp_path: Path) -> None:
    name = f"once-{kind}-{creation.replace('/', '-')}"
    with network(server, kind, share=0) as (uri, proxy):
        proxy.once = {creation}
        runs = study_of(uri, name, tmp_path / "checkpoint")
        assert not proxy.once
    check_alone(f"http://{server}", name, runs)


def test_requests_of_a_healthy_study(server: str, tmp_path: Path) -> None:
    """A server with users needs 0.7 to 1 s for each: one search per study, trial and version more than without the checks."""
    with network(server, "", share=0) as (uri, proxy):
        open_study(uri, "healthy", question="", params={}, conditions=["clean"], trials=TRIALS)
        opening = sum(proxy.seen.values())
        proxy.seen.clear()
        study_of(uri, "healthy", tmp_path / "checkpoint")
    print(opening, proxy.seen)
    assert opening <= 10 + 4 * len(TRIALS)


def test_a_study_run_has_a_token(store: str) -> None:
    runs = open_study(store, "demo", question="", params={}, conditions=["clean"], trials=[])
    assert len(client(store).get_run(runs.study).data.tags[TOKEN]) == 32


def test_only_faults_of_the_server_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def fail(code: str) -> None:
        tries.append(1)
        raise MlflowException("no", getattr(__import__("mlflow").protos.databricks_pb2, code))

    monkeypatch.setattr(creating, "PATIENCE_S", 0.3)
    for code, repeated in (("INTERNAL_ERROR", True), ("RESOURCE_DOES_NOT_EXIST", False), ("PERMISSION_DENIED", False)):
        for uri in ("http://127.0.0.1:9", "sqlite:///here.db"):
            tries.clear()
            with pytest.raises(MlflowException):
                patiently(uri, lambda code=code: fail(code))  # type: ignore[misc]
            assert (len(tries) > 1) is (repeated and uri.startswith("http"))
    assert not passes(FileNotFoundError("model.safetensors"))
