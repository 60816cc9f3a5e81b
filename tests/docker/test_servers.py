"""The images, built from their recipes, and a whole study in them on MLflow, Postgres and S3 as compose starts them."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from ablation.results import read_study
from tracking.store import client
from tracking.studies import trial_runs

ROOT = Path(__file__).parents[2]
PASSWORDS = ("POSTGRES_PASSWORD", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY")
IMAGE = "ablate-python:test"


def docker_answers() -> bool:
    return bool(shutil.which("docker")) and subprocess.run(["docker", "info"], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not docker_answers(), reason="no Docker daemon answers"),
    pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed"),
]


def call(*command: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False
    )


def free_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return str(unused.getsockname()[1])


@dataclass
class Servers:
    settings: dict[str, str]

    def compose(self, *arguments: str) -> str:
        done = call("docker-compose", "-f", "docker/compose.yaml", *arguments, **self.settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, out: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
        command = (
            sys.executable,
            "-m",
            "pipelines.cli",
            "run",
            "plans/smoke.yaml",
            "--image",
            IMAGE,
            "--out",
            str(out),
        )
        return call(*command, **{**self.settings, **settings})


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    settings = {name: secrets.token_urlsafe(18) for name in PASSWORDS}
    settings |= {"AWS_ACCESS_KEY_ID": "ablate", "MLFLOW_TRACKING_USERNAME": "ablate"}
    settings |= {"MLFLOW_PORT": free_port(), "S3_PORT": free_port()}
    settings["COMPOSE_PROJECT_NAME"] = f"ablate-test-{settings['MLFLOW_PORT']}"
    settings["MLFLOW_TRACKING_URI"] = f"http://localhost:{settings['MLFLOW_PORT']}"
    started = Servers(settings)
    try:
        started.compose("up", "-d", "--build")
        yield started
    finally:
        started.compose("down", "--volumes")


@pytest.fixture(scope="module")
def image() -> str:
    built = call("docker", "build", "-q", "-f", "docker/Dockerfile", "-t", IMAGE, ".")
    assert built.returncode == 0, built.stderr
    return IMAGE


def test_the_image_for_real_video_finds_mouths_beside_the_service(image: str) -> None:
    build = ("docker", "build", "-q", "-f", "docker/preprocess.Dockerfile", "--build-arg", f"SERVICE={image}", ".")
    built = call(*build)
    assert built.returncode == 0, built.stderr
    script = '"$ABLATE_MOUTH_PYTHON" -c "import mediapipe, cv2" && ablate corpus --help'
    done = call("docker", "run", "--rm", built.stdout.strip(), "sh", "-c", script)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("image")
def test_a_study_in_containers_is_read_back_from_the_servers(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_until_well(servers)
    done = servers.run(tmp_path / "smoke")
    assert done.returncode == 0, done.stderr
    study = read_study(tmp_path / "smoke")
    assert len(study.trials) == 2
    assert "sha256:" in study.provenance["image"]
    for name, value in servers.settings.items():
        monkeypatch.setenv(name, value)
    asked = client(servers.settings["MLFLOW_TRACKING_URI"])
    experiment = asked.get_experiment_by_name("smoke")
    [run] = asked.search_runs([experiment.experiment_id], "tags.`ablation.role` = 'study'")
    assert "report.html" in {file.path for file in asked.list_artifacts(run.info.run_id)}
    found = trial_runs(servers.settings["MLFLOW_TRACKING_URI"], experiment.experiment_id, run.info.run_id)
    assert [("wer/clean" in run.data.metrics, run.info.status) for run in found] == [(True, "FINISHED")] * 2
    assert asked.get_model_version_by_alias("smoke", "baseline").version
    s3 = boto3.client("s3", endpoint_url=f"http://localhost:{servers.settings['S3_PORT']}", region_name="us-east-1")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert any(key.endswith("model.safetensors") for key in keys)
    rows = servers.compose(
        "exec", "-T", "postgres", "psql", "-U", "mlflow", "-d", "mlflow", "-tAc", "SELECT count(*) FROM runs"
    )
    assert int(rows) == 3


def wait_until_well(servers: Servers) -> None:
    servers.compose(
        "exec", "-T", "mlflow", "sh", "-c", f"for i in $(seq 90); do {PROBE} && exit 0; sleep 1; done; exit 1"
    )


PROBE = "python3 -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:5000/health')\" 2>/dev/null"


@pytest.mark.usefixtures("image")
def test_a_wrong_password_is_one_sentence(servers: Servers, tmp_path: Path) -> None:
    wait_until_well(servers)
    done = servers.run(tmp_path / "bad", MLFLOW_TRACKING_PASSWORD="not-the-password")
    assert done.returncode == 2
    assert "MLFLOW_TRACKING_PASSWORD" in done.stderr
    assert "Traceback" not in done.stderr


def test_mlflow_does_not_start_with_a_wrong_s3_secret(servers: Servers) -> None:
    wait_until_well(servers)
    done = call(
        "docker-compose",
        "-f",
        "docker/compose.yaml",
        "run",
        "--rm",
        "--no-deps",
        "-e",
        "AWS_SECRET_ACCESS_KEY=wrong",
        "mlflow",
        **servers.settings,
    )
    assert done.returncode == 2
    assert "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
