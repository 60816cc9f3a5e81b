"""`ablate ci`: its steps, exit codes and reports."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from junit_report import outcomes

from cli.ci_job import UNWRITABLE, Step, carry_out, exit_code, junit, summary

ROOT = Path(__file__).parents[2]
NAMES = ["compile and lint", "smoke study", "study on the cluster", "gate"]
WORKFLOW = ROOT / ".github" / "workflows" / "ablation.yml"


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
def test_a_failed_gate_differs_from_failed_infrastructure(
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


@pytest.mark.parametrize(
    ("state", "words"), [("FAILED", "failed: the run ended as FAILED"), (None, "connection refused")]
)
@pytest.mark.usefixtures("empty_home")
def test_failed_infrastructure_is_not_a_failed_gate(
    state: str | None, words: str, kubeflow: Any, plan_file: Callable[..., Path], tmp_path: Path
) -> None:
    """The step on the cluster alone; test_wait.py and test_submit_refused.py have its other failures."""
    kubeflow.script, host = [state], kubeflow.host
    if state is None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            host = f"http://127.0.0.1:{free.getsockname()[1]}"
    submit = ["submit", str(plan_file()), "--gate", "--timeout", "0.02", "--host", host]
    commands = [(NAMES[2], [*submit, "--tracking-uri", "http://mlflow.example"]), (NAMES[3], ["gate", "demo"])]
    steps = carry_out(commands, print)
    assert exit_code(steps) == 1, steps
    junit(steps, NAMES[2:], tmp_path / "ablate.xml")
    found = outcomes(tmp_path / "ablate.xml")
    assert str(found[NAMES[2]]).startswith("error: infrastructure failed: ")
    assert words in str(found[NAMES[2]])
    assert found[NAMES[3]] == "skipped"
    assert f"| {NAMES[2]} | infrastructure failed |" in summary(steps, NAMES[2:], "")


def test_a_missing_study_is_failed_infrastructure(
    ablate: Callable[..., Any], store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    answer = ablate("gate", "demo", "--from-mlflow")
    assert (answer.code, answer.out) == (1, "")
    assert "has no run of study 'demo'" in answer.err
    answer = ablate("gate", "demo", "--from-mlflow", "--tracking-uri", "http://127.0.0.1:9")
    assert (answer.code, answer.out, len(answer.err.splitlines())) == (1, "", 1)
    assert "cannot be reached: connection refused" in answer.err


def test_output_of_a_step_is_valid_xml_text(tmp_path: Path) -> None:
    """The report has no colour codes and no bytes that XML cannot hold. The message has the reasons of the gate."""
    code = r"print('\x1b[31mred\x1b[0m \x00\x08 <&]]>'); print('gate failed: a'); print('gate failed: b'); print('end')"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    step = Step("gate", 3, 1.0, UNWRITABLE.sub("", said))
    junit([step], ["gate"], tmp_path / "ablate.xml")
    assert outcomes(tmp_path / "ablate.xml") == {"gate": "failure: gate failed: gate failed: a; gate failed: b"}
    assert ElementTree.parse(tmp_path / "ablate.xml").getroot()[0][0].text == step.said
    assert step.said.startswith("red  <&]]>\n")


@pytest.mark.usefixtures("empty_home")
def test_bad_input_is_reported_before_any_step(
    ablate: Callable[..., Any], plan_file: Callable[..., Path], tmp_path: Path
) -> None:
    for options, words in [
        ([], "needs the address of a server; give --host URL, or set KF_PIPELINES_ENDPOINT"),
        (["--host", "http://k"], "a cluster cannot write to the MLflow store"),
        (
            ["--host", "http://k", "--tracking-uri", "http://localhost:5000"],
            "in a pod, localhost is the pod itself",
        ),
    ]:
        answer = ablate("ci", plan_file(), *options)
        assert (answer.code, answer.out) == (2, "")
        assert words in answer.err
    answer = ablate("ci", tmp_path / "no-plan.yaml")
    assert answer.code == 2
    assert "no plan file" in answer.err
