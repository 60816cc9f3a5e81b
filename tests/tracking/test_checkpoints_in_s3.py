"""A checkpoint through MLflow's server into S3 and back: in parts, and checked. Real servers."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ready_store import copy_database

from common.errors import UserError
from tracking.checkpoints import fetch_checkpoint, log_checkpoint
from tracking.studies import open_study

STARTS_S = 120.0
PART = 5 * 1024**2  # the smallest that S3 takes


@pytest.fixture
def server(bucket: str, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """MLflow with its artifacts behind its proxy; it offers uploads in parts, and the client knows."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(2 * PART))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(PART))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    copy_database(tmp_path / "mlflow" / "mlflow.db")
    places = ["--backend-store-uri", store, "--artifacts-destination", f"s3://{bucket}"]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    settings = {
        "MLFLOW_S3_ENDPOINT_URL": os.environ["AWS_ENDPOINT_URL_S3"],
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *places], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | settings
        )
    try:
        _await(f"http://127.0.0.1:{port}", tmp_path / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _await(address: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"MLflow did not start: {log.read_text()[-2000:]}")


@pytest.mark.slow
def test_a_large_checkpoint_goes_in_parts_and_a_change_in_s3_is_noticed(
    server: str, bucket: str, s3_client: Any, tmp_path: Path
) -> None:
    trial = {"arm": "baseline", "seed": 1, "part": None, "params": {}}
    study = open_study(server, "demo", question="", params={}, conditions=["clean"], trials=[trial])
    weights = np.random.default_rng(0).bytes(2 * PART + 1)
    checkpoint = tmp_path / "checkpoint"  # every file of the folder belongs to it
    checkpoint.mkdir()
    (checkpoint / "model.safetensors").write_bytes(weights)
    (checkpoint / "config.json").write_text("{}")
    model_id = log_checkpoint(server, study.trials[0], checkpoint, {})
    objects = {Path(entry["Key"]).name: entry for entry in s3_client.list_objects_v2(Bucket=bucket)["Contents"]}
    assert objects["model.safetensors"]["ETag"].endswith('-3"')  # three parts
    assert "-" not in objects["config.json"]["ETag"]
    fetch_checkpoint(server, model_id, tmp_path / "back")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == weights
    s3_client.put_object(Bucket=bucket, Key=objects["model.safetensors"]["Key"], Body=weights[:-1] + b"!")
    with pytest.raises(UserError, match=r"model.safetensors differs"):
        fetch_checkpoint(server, model_id, tmp_path / "again")
