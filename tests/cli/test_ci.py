"""What a CI job calls: its steps, its exit codes, its reports, and the workflow's own script."""

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
from xml.etree import ElementTree

import pytest
import yaml

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
    """A real one, on SQLite."""
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
    """A server that carries out the runs that it accepts, by the local runner; its pods reach MLflow by another name."""
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
    """The environment and the scripts of the workflow's job, as they stand there."""
    [job] = yaml.safe_load(workflow.read_text())["jobs"].values()
    return job["env"], [step["run"] for step in job["steps"] if "run" in step]


def filled(text: str, values: dict[str, str]) -> str:
    """What GitHub makes of `${{ NAME }}`."""
    return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: values[found.group(1)], text)


@pytest.fixture
def push(cluster: Any, mlflow_server: str, tmp_path: Path) -> Callable[[str], "subprocess.CompletedProcess[str]"]:
    """What GitHub does on a push with this plan: the job's own script, in a checkout, with the job's environment."""
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
    assert "as-before" not in trained(tmp_path / "run-1")  # the push before has trained it
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("# Ablation: gate failed")
    assert "as-before" in text.partition("| gate | gate failed |")[2]
    found = outcomes(tmp_path / "checkout" / "ablate.xml")
    assert re.search(r"^failure: gate failed: gate failed: .* points", str(found.pop("gate")))
    assert found == dict.fromkeys(NAMES[:3])


def trained(study: Path) -> list[str]:
    """The arms of a study that were trained in it, and not taken from an earlier one."""
    trials = json.loads((study / "study.json").read_text())["trials"]
    return [trial["arm"] for trial in trials if trial["reused_from"] is None]


def outcomes(path: Path) -> dict[str, str | None]:
    """Case of a JUnit report -> its kind and message; None where it passed. The totals have to be those of its cases."""
    suite = ElementTree.parse(path).getroot()
    cases = {str(case.get("name")): next(iter(case), None) for case in suite}
    kinds = [inner.tag for inner in cases.values() if inner is not None]
    assert suite.get("tests") == str(len(cases))
    for kind, total in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert suite.get(total) == str(kinds.count(kind))
    return {
        name: None if inner is None else ": ".join(filter(None, [inner.tag, inner.get("message")]))
        for name, inner in cases.items()
    }


@pytest.mark.parametrize(
    ("state", "words"), [("FAILED", "failed: the run ended as FAILED"), (None, "connection refused")]
)
@pytest.mark.usefixtures("empty_home")
def test_failed_infrastructure_is_not_a_failed_gate(
    state: str | None, words: str, kubeflow: Any, plan_file: Callable[..., Path], tmp_path: Path
) -> None:
    """The step on the cluster by itself; other ways for it to fail are in test_submit.py."""
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
    """Colours and other bytes that XML cannot hold are left out; the message is the gate's reasons."""
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
