"""`ablate run --image` refuses what cannot work before anything starts. Whole runs: tests/docker/test_servers.py."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("uri", ["", "sqlite:///elsewhere.db"])
def test_containers_need_a_server(
    ablate: Callable[..., Any], plan_file: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    answer = ablate("run", plan_file(), "--image", "any:1")
    assert answer.code == 2
    assert "set MLFLOW_TRACKING_URI" in answer.err


def test_containers_need_docker(plan_file: Callable[..., Any], tmp_path: Path) -> None:
    settings = {"MLFLOW_TRACKING_URI": "http://localhost:5000", "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    command = [sys.executable, "-m", "cli.main", "run", str(plan_file()), "--image", "any:1"]
    ended = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "no Docker daemon answers" in ended.stderr
