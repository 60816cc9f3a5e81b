"""Secrets of the environment and of MLflow's address are in no file, no line, no argument of a process and no package."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import yaml
from mlflow_servers import MlflowServer, guarded

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PASSWORD = "planted@pass/word:1%"
PLANTED = {
    name: f"planted-{number}-{name.lower()[-6:]}"
    for number, name in enumerate(
        [
            "MLFLOW_TRACKING_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "KF_PIPELINES_TOKEN",
            "KF_PIPELINES_COOKIES",
            "HF_TOKEN",
        ]
    )
}
SECRETS = [*PLANTED.values(), PASSWORD, quote(PASSWORD, safe=""), quote_plus(PASSWORD)]
PLAN = {
    "study": "planted",
    "corpus": "synthetic://talking-mouth?train=40&test=8&valid=4",
    "seeds": [1],
    "conditions": {"babble": [0]},
    "max_failed_trials": 1,
    "baseline": {
        "training.steps": 6,
        "training.batch_size": 4,
        "encoder.layers": 1,
        "encoder.width": 32,
        "encoder.feedforward": 64,
    },
    "ablations": [{"part": "training.learning_rate", "replacements": {"too-fast": 1e6}}],
}


def hits(data: bytes) -> list[str]:
    return [secret for secret in SECRETS if secret.encode() in data]


def hits_in_files(root: Path) -> list[tuple[str, list[str]]]:
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return [(str(path), found) for path in files if (found := hits(path.read_bytes()))]


@dataclass
class Watch:
    """Secrets seen while a command runs: in the arguments of all processes, and in the small files of its folder."""

    root: Path
    found: set[str] = field(default_factory=set)
    looked: int = 0

    def look(self) -> None:
        self.looked += 1
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if hits(path.read_bytes()):
                    self.found.add(f"arguments of {path}")
            except OSError:
                continue
        for path in self.root.glob("studies/**/*.json") if self.looked % 20 == 0 else ():
            try:
                if hits(path.read_bytes()):
                    self.found.add(str(path))
            except OSError:
                continue

    @contextmanager
    def during(self) -> Iterator[None]:
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(0.05):
                self.look()

        thread = threading.Thread(target=repeat)
        thread.start()
        yield
        ended.set()
        thread.join()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    (tmp_path / "server").mkdir()
    (tmp_path / "place" / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    return tmp_path / "place"


@pytest.fixture
def server(place: Path) -> Iterator[MlflowServer]:
    with MlflowServer(place.parent / "server") as server:
        yield server


def start(place: Path, uri: str, *arguments: str) -> "subprocess.Popen[bytes]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "MLFLOW_TRACKING"))}
    settings = {**environment, **PLANTED, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.Popen(
        command, cwd=place, env=settings, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def address(port: int) -> str:
    return f"http://me:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"


def test_a_study_on_a_server_with_a_password(place: Path, server: MlflowServer) -> None:
    watch = Watch(place)
    with guarded(server, "me", PASSWORD) as port, watch.during():
        said, _ = (ran := start(place, address(port), "run", "plan.yaml")).communicate(timeout=500)
    assert ran.returncode == 0, said.decode()
    assert watch.looked > 50
    assert (hits(said), watch.found) == ([], set())
    assert (place / "studies" / "planted" / "study.json").is_file()
    assert hits_in_files(place.parent) == []


def test_a_study_whose_server_is_killed(place: Path, server: MlflowServer) -> None:
    watch = Watch(place)
    with guarded(server, "me", PASSWORD) as port, watch.during():
        ran = start(place, address(port), "run", "plan.yaml")
        _await_training(place, ran)
        server.kill()
        time.sleep(15)
        ran.send_signal(signal.SIGTERM)
        said, _ = ran.communicate(timeout=300)
        away, _ = start(place, address(port), "champion", "planted").communicate(timeout=60)
    assert b"cannot be reached: 502" in away
    assert ran.returncode == 130, said.decode()
    assert (hits(said), hits(away), watch.found) == ([], [], set())
    assert hits_in_files(place.parent) == []


def _await_training(place: Path, ran: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 300
    while not list(place.glob("studies/planted/.work/*/*/train-trials/trained/*/status.json")):
        assert time.monotonic() < deadline, "no trial started"
        assert ran.poll() is None, "the run ended early"
        time.sleep(0.2)


def test_a_package_has_no_secret_and_settings_with_one_are_refused(place: Path) -> None:
    packed, _ = start(place, address(9), "compile", "-o", "pipeline.yaml").communicate(timeout=120)
    (place / "cluster.yaml").write_text(yaml.safe_dump({"environment": {"ANY": PLANTED["HF_TOKEN"]}}))
    refused = start(place, address(9), "compile", "-o", "with.yaml", "--cluster", "cluster.yaml")
    said, _ = refused.communicate(timeout=120)
    (place / "cluster.yaml").unlink()
    sent, _ = start(place, address(9), "submit", "plan.yaml", "--host", "http://127.0.0.1:9").communicate(timeout=60)
    assert refused.returncode == 2
    assert b"under `secrets`" in said
    assert b"has a password" in sent
    assert (hits(packed), hits(said), hits(sent)) == ([], [], [])
    assert (place / "pipeline.yaml").is_file()
    assert hits_in_files(place) == []
