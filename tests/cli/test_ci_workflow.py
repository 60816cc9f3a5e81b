"""The scripts of the GitHub workflow with real training: on a server that runs studies, and with a real MLflow."""

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from junit_report import outcomes
from mlflow import MlflowClient
from ready_store import copy_database

from cli.ci_job import COMPILE, GATE, SMOKE, STUDY

ROOT = Path(__file__).parents[2]
SKIPPED = dict.fromkeys((COMPILE, SMOKE), "skipped: --only-gate")
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
    copy_database(tmp_path / "mlflow" / "mlflow.db")
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


@dataclass
class Cluster:
    """A server that runs accepted runs by the local runner, as its pods would: they reach MLflow by another name."""

    kubeflow: Any
    mlflow: str
    place: Path
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def accept(self, run: dict[str, Any]) -> None:
        """Start the study of a run."""
        name = f"run-{len(self.started)}"
        (self.place / f"{name}.yaml").write_text(yaml.safe_dump(run["runtime_config"]["parameters"]["plan"]))
        with (self.place / f"{name}.log").open("wb") as log:
            self.started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "cli.main", "run", f"{name}.yaml", "--out", name],
                    cwd=self.place,
                    env=os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": self.mlflow},
                    stdout=log,
                    stderr=log,
                )
            )

    def finish(self) -> None:
        """Wait for the newest study. Tag it with its run, as the pipeline does, and end the run."""
        code, run = self.started[-1].wait(timeout=400), self.kubeflow.things["runs"][-1]
        client = MlflowClient(self.mlflow)
        experiment = client.get_experiment_by_name("smile")
        query, order = "tags.`ablation.role` = 'study'", ["attributes.start_time DESC"]
        found = client.search_runs([experiment.experiment_id], query, order_by=order, max_results=1)[0]
        client.set_tag(found.info.run_id, "ablation.kfp_run", run["run_id"])
        run |= {"state": "FAILED" if code else "SUCCEEDED", "finished_at": "2026-11-25T22:59:53Z"}
        self.kubeflow.script = [{key: run[key] for key in ("state", "finished_at")}]


@pytest.fixture
def cluster(kubeflow: Any, mlflow_server: str, tmp_path: Path) -> Iterator[Cluster]:
    served, make = Cluster(kubeflow, mlflow_server, tmp_path), kubeflow._make

    def accepted(kind: str, asked: Any) -> Any:
        status, made = make(kind, asked)
        if kind == "runs" and status == 200:
            served.accept(made)
        return status, made

    kubeflow._make, kubeflow.script = accepted, ["RUNNING"]
    yield served
    for process in served.started:
        process.kill()
        process.wait()


def steps_of(job: str) -> tuple[dict[str, str], list[str]]:
    """Return the environment and the scripts of a job, unchanged."""
    workflow = yaml.safe_load(WORKFLOW.read_text())
    steps = [step for step in workflow["jobs"][job]["steps"] if "run" in step]
    environments = [workflow["env"], workflow["jobs"][job].get("env", {}), *(step.get("env", {}) for step in steps)]
    return {name: text for given in environments for name, text in given.items()}, [step["run"] for step in steps]


def filled(text: str, values: dict[str, str]) -> str:
    """Replace `${{ EXPRESSION }}` as GitHub does."""
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found.group(1)], text)


@pytest.fixture
def job(cluster: Cluster, mlflow_server: str, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Act as GitHub does: run the script of a job in a checkout with this plan, with the environment of the job."""
    checkout = tmp_path / "checkout"
    (checkout / "plans").mkdir(parents=True)
    (checkout / ".venv").symlink_to(Path(sys.executable).parents[1])
    values = {
        "vars.KF_PIPELINES_ENDPOINT": cluster.kubeflow.host,
        "vars.KF_PIPELINES_NAMESPACE": "",
        "secrets.KF_PIPELINES_TOKEN": "a-token",
        "vars.MLFLOW_TRACKING_URI": mlflow_server,
        "secrets.MLFLOW_TRACKING_USERNAME": "",
        "secrets.MLFLOW_TRACKING_PASSWORD": "",
        "vars.ABLATE_REPOSITORY": "registry.example/ablate-python",
        "vars.ABLATE_CLUSTER || 'deploy/cluster.yaml'": str(ROOT / "deploy" / "cluster.yaml"),
        "inputs.what == 'submit again' && 'yes' || ''": "",
        "github.sha": "0123456789abcdef",
        "vars.PODS_TRACKING_URI": "http://mlflow.example:5000",
    }
    cluster.kubeflow.token = "a-token"

    def call(name: str, plan: str) -> "subprocess.CompletedProcess[str]":
        environment, (_, script) = steps_of(name)
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
def test_the_workflow_scripts_train_and_decide_by_real_trials(
    job: Callable[..., Any],
    cluster: Cluster,
    ablate: Callable[..., Any],
    bucket: str,
    small_corpus: Path,
    tmp_path: Path,
) -> None:
    corpus = f"s3://{bucket}/small"
    assert ablate("corpus", "push", small_corpus, corpus).code == 0

    plan = plan_text("smile", corpus, 120)
    pushed = job("submit", plan)
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    [run] = cluster.kubeflow.things["runs"]
    assert run["runtime_config"]["parameters"]["tracking_uri"] == "http://mlflow.example:5000"
    cluster.finish()
    judged = job("gate", plan)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("# Ablation: passed")
    assert f"[The run on the cluster]({cluster.kubeflow.host}/#/runs/details/runs-1)" in text
    assert "baseline" in text.partition("| gate | passed |")[2]
    assert outcomes(tmp_path / "checkout" / "ablate.xml") == SKIPPED | {STUDY: None, GATE: None}

    before = {"part": "training.steps", "replacements": {"as-before": 120}}
    plan = plan_text("smile", corpus, 1, before)
    pushed = job("submit", plan)
    assert pushed.returncode == 0, pushed.stdout + pushed.stderr
    cluster.finish()
    worse = job("gate", plan)
    assert worse.returncode == 3, worse.stdout + worse.stderr
    assert trained(tmp_path / "run-0") == ["baseline"]
    assert "as-before" not in trained(tmp_path / "run-1")  # the study of the previous push trained it
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("# Ablation: gate failed")
    assert "as-before" in text.partition("| gate | gate failed |")[2]
    found = outcomes(tmp_path / "checkout" / "ablate.xml")
    assert re.search(r"^failure: gate failed: .* points", str(found.pop(GATE)))
    assert found == SKIPPED | {STUDY: None}


def trained(study: Path) -> list[str]:
    """Return the arms that a study trained itself, without those from an earlier study."""
    trials = json.loads((study / "study.json").read_text())["trials"]
    return [trial["arm"] for trial in trials if trial["reused_from"] is None]
