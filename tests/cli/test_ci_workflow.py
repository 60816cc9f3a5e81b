"""The script of the GitHub workflow with real training: on a server that runs studies, and with a real MLflow."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from junit_report import outcomes

ROOT = Path(__file__).parents[2]
NAMES = ["compile and lint", "smoke study", "study on the cluster", "gate"]
WORKFLOW = ROOT / ".github" / "workflows" / "ablation.yml"

SMALL = {
    "training.batch_size": 8,
    "encoder.layers": 1,
    "encoder.width": 32,
    "encoder.feedforward": 64,
    "encoder.heads": 2,
}


def plan_text(study: str, corpus: str, steps: int, *ablations: dict[str, Any]) -> str:
    baseline = SMALL | {"training.steps": steps, "training.learning_rate": 0.003}
    plan = {"study": study, "corpus": corpus, "seeds": [1], "conditions": {}, "baseline": baseline}
    return yaml.safe_dump(plan | {"ablations": list(ablations)})


@pytest.fixture
def mlflow_server(store: str, tmp_path: Path) -> Iterator[str]:
    """Start a real MLflow server on SQLite."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    (tmp_path / "mlflow").mkdir()
    places = ["--backend-store-uri", store, "--artifacts-destination", str(tmp_path / "artifacts")]
    where = ["--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--workers", "1"]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "mlflow.log").open("wb") as log:
        command = [sys.executable, "-m", "mlflow", "server", *where, *places]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | settings)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5):
                break
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def cluster(kubeflow: Any, mlflow_server: str, tmp_path: Path) -> Iterator[Any]:
    """A server that runs accepted runs by the local runner. Its pods reach MLflow by another name."""
    started: list[subprocess.Popen[bytes]] = []
    make = kubeflow._make

    def carry_out_too(kind: str, asked: Any) -> Any:
        status, made = make(kind, asked)
        if kind == "runs" and status == 200:
            number, given = len(started), made["runtime_config"]["parameters"]
            (tmp_path / f"run-{number}.yaml").write_text(yaml.safe_dump(given["plan"]))
            command = ["run", f"run-{number}.yaml", "--out", f"run-{number}"]
            with (tmp_path / f"run-{number}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "cli.main", *command],
                        cwd=tmp_path,
                        env=os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": mlflow_server},
                        stdout=log,
                        stderr=log,
                    )
                )
        return status, made

    def look(run: str) -> Any:
        code = started[-1].poll()
        return 200, {"run_id": run, "state": {None: "RUNNING", 0: "SUCCEEDED"}.get(code, "FAILED")}

    kubeflow._make, kubeflow._look = carry_out_too, look
    yield kubeflow
    for process in started:
        process.kill()
        process.wait()


def steps_of(workflow: Path) -> tuple[dict[str, str], list[str]]:
    """Return the environment and the scripts of the job, unchanged."""
    [job] = yaml.safe_load(workflow.read_text())["jobs"].values()
    return job["env"], [step["run"] for step in job["steps"] if "run" in step]


def filled(text: str, values: dict[str, str]) -> str:
    """Replace `${{ NAME }}` as GitHub does."""
    return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: values[found.group(1)], text)


@pytest.fixture
def push(cluster: Any, mlflow_server: str, tmp_path: Path) -> Callable[[str], "subprocess.CompletedProcess[str]"]:
    """Act as GitHub does on a push of a plan: run the script of the job in a checkout, with the environment of the job."""
    checkout = tmp_path / "checkout"
    (checkout / "plans").mkdir(parents=True)
    (checkout / ".venv").symlink_to(Path(sys.executable).parents[1])
    values = {
        "vars.KF_PIPELINES_ENDPOINT": cluster.host,
        "secrets.KF_PIPELINES_TOKEN": "a-token",
        "vars.MLFLOW_TRACKING_URI": mlflow_server,
        "secrets.MLFLOW_TRACKING_USERNAME": "",
        "secrets.MLFLOW_TRACKING_PASSWORD": "",
        "vars.ABLATE_REPOSITORY": "registry.example/ablate-python",
        "github.sha": "0123456789abcdef",
        "vars.PODS_TRACKING_URI": "http://mlflow.example:5000",
    }
    cluster.token = "a-token"

    def call(plan: str) -> "subprocess.CompletedProcess[str]":
        environment, (lint, script) = steps_of(WORKFLOW)
        assert lint == "make lint"
        (checkout / "plans" / "smile.yaml").write_text(plan)
        (checkout / "plans" / "smoke.yaml").write_text(plan_text("smoke", yaml.safe_load(plan)["corpus"], 2))
        summary_file = tmp_path / "summary.md"
        summary_file.unlink(missing_ok=True)
        given = {name: filled(text, values) for name, text in environment.items()}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=checkout,
            env=os.environ | given | {"GITHUB_STEP_SUMMARY": str(summary_file), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return call


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_workflow_script_trains_and_decides_by_real_trials(
    push: Callable[..., Any], cluster: Any, ablate: Callable[..., Any], bucket: str, small_corpus: Path, tmp_path: Path
) -> None:
    corpus = f"s3://{bucket}/small"
    assert ablate("corpus", "push", small_corpus, corpus).code == 0

    first = push(plan_text("smile", corpus, 120))
    assert first.returncode == 0, first.stdout + first.stderr
    [run] = cluster.things["runs"]
    assert run["runtime_config"]["parameters"]["tracking_uri"] == "http://mlflow.example:5000"
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("# Ablation: passed")
    assert f"[The run on the cluster]({cluster.host}/#/runs/details/runs-1)" in text
    assert "baseline" in text.partition("| gate | passed |")[2]
    assert outcomes(tmp_path / "checkout" / "ablate.xml") == dict.fromkeys(NAMES)

    before = {"part": "training.steps", "replacements": {"as-before": 120}}
    worse = push(plan_text("smile", corpus, 1, before))
    assert worse.returncode == 3, worse.stdout + worse.stderr
    assert trained(tmp_path / "run-0") == ["baseline"]
    assert "as-before" not in trained(tmp_path / "run-1")  # the previous push trained it
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("# Ablation: gate failed")
    assert "as-before" in text.partition("| gate | gate failed |")[2]
    found = outcomes(tmp_path / "checkout" / "ablate.xml")
    assert re.search(r"^failure: gate failed: gate failed: .* points", str(found.pop("gate")))
    assert found == dict.fromkeys(NAMES[:3])


def trained(study: Path) -> list[str]:
    """Return the arms that a study trained itself, without those from an earlier study."""
    trials = json.loads((study / "study.json").read_text())["trials"]
    return [trial["arm"] for trial in trials if trial["reused_from"] is None]
