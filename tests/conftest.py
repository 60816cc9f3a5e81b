"""Fixtures that several rooms use: a prepared corpus that a tiny model learns in seconds, stores of a test's own, a real S3."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from ready_store import Ready, ready_database

from common import source_code
from corpora.schema import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Clip
from corpora.writer import CorpusWriter

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Processes that tests start import torch, mlflow and kfp. Compiling these takes twice the time of importing them, so keep it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# A shell starts its background jobs with Ctrl-C ignored, and so would be the processes that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
ADDRESS = "MLFLOW_TRACKING_URI"
GIVEN_ADDRESS = os.environ.get(ADDRESS)

pytest_plugins = ("command_line", "kubeflow_server")  # from tests/support

# Warnings are errors (pyproject.toml) but for these, which mlflow and kfp give about themselves.
FOREIGN_WARNINGS = (
    "ignore:The ``noload`` loader strategy is deprecated",
    "ignore:.*Any type hint is inferred as AnyType",
)

ROOT = Path(__file__).parents[1]
SUNG = ("do", "mi", "so")
LETTERED = ("low", "middle", "high")  # more letters than a word has frames
FRAMES_PER_WORD = 5
S3_KEY, S3_SECRET = "akey", "a-secret"
S3_STARTS_S = 30.0


def pytest_configure(config: pytest.Config) -> None:
    for line in FOREIGN_WARNINGS:
        config.addinivalue_line("filterwarnings", line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: of several workers, none is left with one of them at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="session")
def _place_of_the_ready_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    Ready.folder = tmp_path_factory.mktemp("ready")


@pytest.fixture(autouse=True)
def _address_as_given() -> Iterator[None]:
    """Take back the address that `mlflow.set_tracking_uri` wrote into the environment, so that no later test sees it."""
    yield
    os.environ.pop(ADDRESS, None)
    if GIVEN_ADDRESS is not None:
        os.environ[ADDRESS] = GIVEN_ADDRESS


def _clip(number: int, split: str, vocabulary: Sequence[str]) -> Clip:
    """Two to four words; a word is a pitch in the sound, with a pause after it, and a brightness in the picture."""
    draw = np.random.default_rng([number, len(split)])
    words = draw.integers(len(vocabulary), size=draw.integers(2, 5))
    frames = len(words) * FRAMES_PER_WORD
    pitch_hz = np.repeat(300.0 * 2**words, FRAMES_PER_WORD * SAMPLES_PER_FRAME)
    within = np.arange(frames * SAMPLES_PER_FRAME) % (FRAMES_PER_WORD * SAMPLES_PER_FRAME)
    tone = np.sin(2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ) * (within < 4 * SAMPLES_PER_FRAME)
    light = np.repeat(60 + 60 * words, FRAMES_PER_WORD)[:, None, None] + draw.normal(0, 10, (frames, 96, 96))
    return Clip(
        id=f"{split}-{number}",
        speaker=split,
        split=split,
        text=" ".join(vocabulary[word] for word in words),
        video=light.clip(0, 255).astype(np.uint8),
        audio=(tone * 6000 + draw.normal(0, 50, len(tone))).astype(np.int16),
    )


def _prepared(path: Path, vocabulary: Sequence[str], **counts: int) -> Path:
    with CorpusWriter(path, f"{path.name}://") as writer:
        for split, count in counts.items():
            for number in range(count):
                writer.add(_clip(number, split, vocabulary))
    return path


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared corpus, just large enough for a few steps of training."""
    return _prepared(tmp_path_factory.mktemp("corpora") / "small", SUNG, train=40, valid=4, test=8)


@pytest.fixture(scope="session")
def other_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another, of the same language."""
    return _prepared(tmp_path_factory.mktemp("corpora") / "other", SUNG, train=20, valid=1, test=6)


@pytest.fixture(scope="session")
def beeps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared corpus that a tiny model learns in seconds: every word is a tone and a brightness."""
    return _prepared(tmp_path_factory.mktemp("corpora") / "beeps", LETTERED, train=60, valid=8, test=20)


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of our sources, from which fingerprints are then computed. Call `source_code.forget` after a change."""
    root = tmp_path / "sources"
    for package in source_code.FOLLOWED:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in source_code.DECIDING:
        path = f"{name.replace('.', '/')}.py"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, root / path)
    monkeypatch.setattr(source_code, "ROOT", root)
    source_code.forget()
    yield root
    source_code.forget()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an MLflow store that nobody has used. Where this process creates it, it copies the tables of another one."""
    import tracking.database

    made = ready_database()
    monkeypatch.setattr(
        tracking.database, "_initialize_tables", lambda engine: shutil.copyfile(made, engine.url.database)
    )
    return f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real S3 server, which checks signatures and checksums. On this machine only."""
    folder = tmp_path_factory.mktemp("s3")
    identity = {"name": "tests", "credentials": [{"accessKey": S3_KEY, "secretKey": S3_SECRET}], "actions": ["Admin"]}
    (folder / "identities.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    names = [f"{server}.port{kind}" for server in ("s3", "master", "filer", "volume") for kind in ("", ".grpc")]
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    off = ["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    off += ["-volume.max=10000"]  # every bucket takes some, and by default a disk that is half full has few
    here = [
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        f"-dir={folder / 'data'}",
        f"-s3.config={folder / 'identities.json'}",
    ]
    command = [str(Path(sys.executable).parent / "weed"), "mini", *here, *off]
    command += [f"-{name}={port}" for name, port in ports.items()]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
    try:
        _await_port(ports["s3.port"], folder / "log")
        yield f"http://127.0.0.1:{ports['s3.port']}"
    finally:
        process.terminate()
        process.wait()


def _free_ports(count: int) -> list[int]:
    """Bound all at once, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _await_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + S3_STARTS_S
    while time.monotonic() < deadline:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the S3 server did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def s3_client(s3_server: str) -> Any:
    """What tests look at the server with, whatever the environment says."""
    keys = {"aws_access_key_id": S3_KEY, "aws_secret_access_key": S3_SECRET}
    return boto3.Session().client("s3", endpoint_url=s3_server, region_name="us-east-1", **keys)


@pytest.fixture
def bucket(s3_server: str, s3_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, with the environment that boto3 needs to use it and nothing of the machine's own."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ABLATE_S3_"))]:
        monkeypatch.delenv(name)
    settings = {"ENDPOINT_URL_S3": s3_server, "ACCESS_KEY_ID": S3_KEY, "SECRET_ACCESS_KEY": S3_SECRET}
    nothing = {"CONFIG_FILE": tmp_path / "none", "SHARED_CREDENTIALS_FILE": tmp_path / "none"}
    quick = {"EC2_METADATA_DISABLED": "true", "MAX_ATTEMPTS": "2"}
    for name, value in (settings | nothing | quick).items():
        monkeypatch.setenv(f"AWS_{name}", str(value))
    name = f"test-{time.time_ns()}"
    s3_client.create_bucket(Bucket=name)
    return name
