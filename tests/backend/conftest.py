"""A server for the tests of this folder. Pods need root; CI has it."""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator.backend import Backend
from emulator.pod import PROJECT, needs
from ready_store import copy_database


@pytest.fixture(scope="session", autouse=True)
def _pods_run_here() -> None:
    if missing := needs():
        pytest.skip(missing)


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path / "backend")


@pytest.fixture(scope="session")
def image() -> None:
    """Compile what steps import, as the image's build does. Pods cannot write next to the sources, and would each do it again."""
    modules = "components.workers.train, components.workers.evaluate, components.compare_arms, ablation.report.build"
    modules += ", kfp.dsl.executor_main, recipes.smile"
    command = (
        f"import {modules}, tracking.registry, mlflow.pyfunc, torch, matplotlib.pyplot, pyarrow.parquet, scipy.stats"
    )
    subprocess.run([sys.executable, "-c", command], cwd=PROJECT, check=True)


@pytest.fixture(scope="session")
def mlflow_address(image: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: ARG001
    """A real MLflow server on SQLite, which pods reach on loopback."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    copy_database(folder / "mlflow.db")
    places = [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (folder / "log").open("wb") as log:
        settings = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        process = subprocess.Popen([*command, *places], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=settings)
    try:
        _await(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _await(address: str) -> None:
    for _ in range(900):
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise RuntimeError(f"{address} did not start")
