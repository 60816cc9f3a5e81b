"""What a CI job calls: its steps, its exit codes, its reports, and the workflow files."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from pipelines.ci import Step, exit_code, junit, summary

ROOT = Path(__file__).parents[2]
NAMES = ["compile and lint", "smoke study", "study on the cluster", "gate"]
WORKFLOWS = {"vendor.github-workflows": ".github/workflows/ablation.yml", "vendor.gitlab-ci": "docs/gitlab-ci.yml"}


@pytest.mark.parametrize(
    ("code", "ours", "outcome", "kind"),
    [
        (0, 0, "passed", None),
        (1, 1, "infrastructure failed", "error"),
        (2, 2, "bad input", "error"),
        (3, 3, "gate failed", "failure"),
        (-9, 1, "infrastructure failed", "error"),
        (130, 1, "infrastructure failed", "error"),
    ],
)
def test_a_gate_that_failed_is_told_from_infrastructure_that_did(
    code: int, ours: int, outcome: str, kind: str | None, tmp_path: Path
) -> None:
    steps = [Step(NAMES[0], 0, 1.0, ""), Step(NAMES[1], code, 2.5, "why <it> ended\n")]
    assert exit_code(steps) == ours
    text = summary(steps, NAMES, "")
    assert f"| smoke study | {outcome} | 2 s |" in text
    assert "| gate | not run | |" in text
    assert ("why <it> ended" in text) == (code != 0)
    junit(steps, NAMES, tmp_path / "new" / "ablate.xml")
    suite = ElementTree.parse(tmp_path / "new" / "ablate.xml").getroot()
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases == {NAMES[0]: [], NAMES[1]: [kind] if kind else [], NAMES[2]: ["skipped"], NAMES[3]: ["skipped"]}
    assert suite.get("failures") == str(int(kind == "failure"))
    assert suite.get("errors") == str(int(kind == "error"))


@pytest.fixture
def job(tmp_path: Path, kubeflow: Any) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs the command as a CI job does: in a process, against a Kubeflow server and a real MLflow store."""
    plan = {
        "study": "nightly",
        "corpus": "synthetic://talking-mouth?train=40&test=8&valid=4",
        "seeds": [1],
        "conditions": {"babble": [0]},
        "baseline": {"training.steps": 3, "training.batch_size": 4, "encoder.layers": 1, "encoder.width": 32},
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))

    def call(*options: str) -> "subprocess.CompletedProcess[str]":
        # The smoke study has the plan's own name, and so leaves in MLflow what the cluster would have.
        command = [
            sys.executable,
            "-m",
            "pipelines.cli",
            "ci",
            "plan.yaml",
            "--host",
            kubeflow.host,
            "--smoke",
            "plan.yaml",
        ]
        settings = {
            "PYTHONPATH": str(ROOT),
            "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        }
        return subprocess.run(
            [*command, "--tracking-uri", "http://mlflow.example:5000", *options],
            cwd=tmp_path,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=280,
        )

    return call


@pytest.mark.slow
def test_the_job_runs_from_end_to_end(job: Callable[..., Any], kubeflow: Any, tmp_path: Path) -> None:
    done = job()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gate passed" in done.stdout
    [run] = kubeflow.things["runs"]
    assert run["runtime_config"]["parameters"]["plan"]["study"] == "nightly"
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("# Ablation: passed")
    assert "baseline" in text.partition("| gate | passed |")[2]
    suite = ElementTree.parse(tmp_path / "ablate.xml").getroot()
    assert [case.get("name") for case in suite] == NAMES
    assert (suite.get("errors"), suite.get("failures"), suite.get("skipped")) == ("0", "0", "0")


@pytest.mark.slow
def test_a_cluster_that_fails_is_infrastructure_and_not_the_gate(
    job: Callable[..., Any], kubeflow: Any, tmp_path: Path
) -> None:
    kubeflow.script = ["FAILED"]
    done = job()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "| study on the cluster | infrastructure failed |" in (tmp_path / "summary.md").read_text()


def test_bad_input_is_said_before_anything_runs(ablate: Callable[..., Any], tmp_path: Path) -> None:
    answer = ablate("ci", tmp_path / "no-plan.yaml")
    assert answer.code == 2
    assert "no plan file" in answer.err


@pytest.mark.parametrize(("schema", "file"), WORKFLOWS.items())
def test_workflow_files_fit_the_schemas_of_their_services(schema: str, file: str) -> None:
    command = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", schema]
    command += ["--data-transform", "gitlab-ci"] if "gitlab" in schema else []
    done = subprocess.run([*command, str(ROOT / file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", WORKFLOWS.values())
def test_workflows_call_what_is_there_and_start_on_folders_that_are(file: str) -> None:
    text = (ROOT / file).read_text()
    known = json.dumps(sorted(path.name for path in ROOT.iterdir()))
    for folder in re.findall(r'"(\w+)/\*\*', text):
        assert f'"{folder}"' in known, folder
    [command] = re.findall(r"ablate ci (.*)", text)
    assert (ROOT / command.split()[0]).is_file()
    said = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "ci", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert all(option in said for option in re.findall(r"--[a-z-]+", command))
