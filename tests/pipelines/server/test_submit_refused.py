"""`ablate submit` with bad input, a failing server, a bad credential, or Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.package.steps import Steps
from pipelines.server.runs import Run, Task
from pipelines.server.submit import _version_name
from pipelines.server.view import View

ROOT = Path(__file__).parents[3]
HTML = {"content-type": "text/html; charset=utf-8"}
SECRET = "s3cr3t-t0k3n"

Submit = Callable[..., Any]


def refused(answer: Any, *words: str, code: int = 2) -> None:
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith("error: ")
    assert len(answer.err.splitlines()) == 1
    assert SECRET not in answer.err
    for word in words:
        assert word in answer.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tracking": "sqlite:////tmp/mlflow.db"}, "a cluster cannot write to the MLflow store"),
        ({"tracking": "file:///tmp/mlruns"}, "which is on this machine; give an MLflow server"),
        ({"tracking": "mlruns"}, "by --tracking-uri or MLFLOW_TRACKING_URI"),
        ({"tracking": "http://localhost:5000"}, "in a pod, localhost is the pod itself"),
        ({"tracking": f"https://me:{SECRET}@mlflow.example/x"}, "https://mlflow.example/x has a password"),
        ({"host": "kubeflow.example"}, "got 'kubeflow.example'"),
        ({"host": "ftp://kubeflow.example"}, "https://NAME/pipeline or http://localhost:8080"),
        ({"host": "http://kubeflow.example:http"}, "a host is an address"),
        ({"host": "http://kubeflow .example"}, "a host is an address"),
        ({"host": "http://kubeflow\n.example"}, "a host is an address"),
        ({"host": "http://kubeflow.example/#/runs"}, "give http://kubeflow.example"),
        ({"host": f"http://me:{SECRET}@kubeflow.example/pipeline/"}, "give http://kubeflow.example/pipeline"),
        ({"corpus": "ftp://x"}, "no corpus scheme 'ftp'"),
        ({"corpus": "synthetic://talking-mouth?trian=3"}, "trian"),
        ({"ablations": [{"part": "fusion.scales", "replacements": {"x": {"kind": "none"}}}]}, "fusion.scales"),
    ],
)
def test_bad_input_is_reported_before_any_request(
    submit: Submit, kubeflow: Any, options: dict[str, Any], words: str
) -> None:
    refused(submit(**options), words)
    assert kubeflow.asked == []


@pytest.mark.usefixtures("empty_home")
def test_a_missing_host_is_one_sentence(ablate: Submit, plan_file: Submit) -> None:
    refused(ablate("submit", plan_file()), "give --host URL, or set KF_PIPELINES_ENDPOINT")
    refused(ablate("submit", plan_file(), "--host", "http://x"), "a cluster cannot write to the MLflow store 'sqlite:")


def test_a_missing_certificate_file_is_one_sentence(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such.pem")
    refused(submit(), "SSL_CERT_FILE must name a file of certificates, and /no/such.pem is not a file")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_unreachable_server_is_one_sentence(submit: Submit, kubeflow: Any) -> None:
    host = f"http://127.0.0.1:{free_port()}"
    refused(submit(host=host), f"no connection to {host}: connection refused; check --host", code=1)
    refused(submit(host=kubeflow.host.replace("http:", "https:")), "it does not use TLS; try http://", code=1)
    kubeflow.trouble["get /healthz"] = (200, "", {"content-length": "5", "content-type": "application/json"})
    refused(submit(), "no connection to", code=1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, "<h1>Not Found</h1>", HTML), "is not a Kubeflow Pipelines server: it answers with 404 Not Found"),
        ((404, '{"detail": "Not Found"}', {}), "HTTP status 404"),
        (
            (200, "<html>Welcome</html>", HTML),
            "a page of text/html (perhaps a login, for no credential); give the address",
        ),
        ((200, "", {}), "a page of no type"),
        ((200, "[1]", {}), "/apis/v2beta1/healthz"),
        ((200, "null", {}), "/apis/v2beta1/healthz"),
    ],
)
def test_a_server_that_is_not_kubeflow_is_one_sentence(submit: Submit, kubeflow: Any, answer: Any, words: str) -> None:
    kubeflow.trouble["get /healthz"] = answer
    refused(submit(), words)


@pytest.mark.parametrize("at", ["get /pipelines", "post /pipelines/upload_version", "post /runs"])
def test_invalid_answers_to_later_requests_are_one_sentence(submit: Submit, kubeflow: Any, at: str) -> None:
    for status, body, words, code in [
        (200, '{"pipelines": 5, "run_id": ""}', "is not a Kubeflow Pipelines server", 2),
        (400, '{"code": 3, "message": "the name is\\ntoo long"}', "HTTP status 400 (the name is too long)", 2),
        (403, '{"message": "not in this namespace"}', "403 Forbidden to no credential (not in this namespace)", 1),
        (500, "boom", "failed with HTTP status 500", 1),
        (502, "<html>Bad Gateway</html>", "it has not confirmed a run", 1),
    ]:
        kubeflow.things["versions"].clear()
        kubeflow.trouble[at] = (status, body, {})
        refused(submit(), words, code=code)
    assert kubeflow.things["runs"] == []


def test_a_login_page_asks_for_a_credential(submit: Submit, kubeflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeflow.trouble["get /healthz"] = (302, "", {"location": f"{kubeflow.host}/login"})
    refused(submit(), "requires a login, and the request had no credential; give a token by --token-file", code=1)
    refused(
        submit("--cookies", f"session={SECRET}"),
        "the request had the cookies of --cookies; it may have expired",
        code=1,
    )
    monkeypatch.setenv("KF_PIPELINES_COOKIES", f"session={SECRET}")
    refused(submit(), "the cookies in KF_PIPELINES_COOKIES", code=1)
    assert kubeflow.asked[-1].headers["cookie"] == f"session={SECRET}"
    assert kubeflow.calls() == 3 * ["get /healthz"]
    elsewhere = "https://other.example/pipeline"
    kubeflow.trouble["get /healthz"] = (301, "", {"location": f"{elsewhere}/apis/v2beta1/healthz"})
    refused(submit(), f"has moved to {elsewhere}; give that address as --host")


def test_the_first_existing_credential_is_used(
    submit: Submit, kubeflow: Any, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeflow.token = "right"
    refused(submit(), "401 Unauthorized to no credential (no valid token); give a token by --token-file", code=1)
    (empty_home / "no-volume").write_text("right\n")
    assert submit().code == 0
    (empty_home / "no-volume").write_text(SECRET)
    refused(submit(), f"the service account token in {empty_home / 'no-volume'}", code=1)
    monkeypatch.setenv("KF_PIPELINES_TOKEN", "right")
    assert submit().code == 0
    monkeypatch.setenv("KF_PIPELINES_TOKEN", SECRET)
    refused(submit(), "the token in KF_PIPELINES_TOKEN", "it may have expired", code=1)
    (empty_home / "token").write_text("right")
    assert submit("--token-file", empty_home / "token").code == 0


def test_a_token_file_is_read_again_during_a_wait(submit: Submit, kubeflow: Any, empty_home: Path) -> None:
    kubeflow.token, file = "old", empty_home / "token"
    file.write_text("old")
    look = kubeflow._look

    def renewed(run: str) -> Any:
        kubeflow.token = "new"
        file.write_text("new")
        return look(run)

    kubeflow._look, kubeflow.script = renewed, ["RUNNING", "SUCCEEDED"]
    assert submit("--wait", "--token-file", file).code == 0


def test_invalid_credentials_are_one_sentence(submit: Submit, kubeflow: Any, empty_home: Path) -> None:
    bad = empty_home / "bad"
    refused(submit("--token-file", bad), f"{bad} cannot be read: No such file or directory")
    for content, words in [(b"", "is empty"), (b"a\nb", "more than one line"), (b"\xff", "it is not text")]:
        bad.write_bytes(content)
        refused(submit("--token-file", bad), str(bad), words)
    refused(submit("--token-file", bad, "--cookies", "a=b"), "give either --token-file or --cookies")
    refused(submit("--cookies", " "), "--cookies is empty")
    assert kubeflow.asked == []


@pytest.mark.slow
def test_ctrl_c_ends_the_waiting_and_not_the_run(kubeflow: Any, plan_file: Submit, empty_home: Path) -> None:
    kubeflow.script = ["RUNNING"]
    command = ["submit", str(plan_file()), "--host", kubeflow.host, "--tracking-uri", "http://m.example", "--wait"]
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", *command, "--image", "registry.example/ablate-python:1"],
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "error", "HOME": str(empty_home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        watchdog = threading.Timer(240, process.kill)  # a busy machine takes a minute
        watchdog.start()
        assert process.stdout is not None
        while process.stdout.readline() not in ("run: running\n", ""):
            pass
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        watchdog.cancel()
    assert process.returncode == 130
    assert err.startswith("no longer waiting: the run continues; to stop it: ablate submit --terminate runs-1 ")
    assert f"--host {kubeflow.host}, or use its page {kubeflow.host}/#/runs/details/runs-1" in err
    assert len(err.splitlines()) == 1
    assert [call for call in kubeflow.calls() if "terminate" in call] == []
    executors = kubeflow.things["versions"][0]["pipeline_spec"]["deploymentSpec"]["executors"].values()
    assert {executor["container"]["image"] for executor in executors} == {"registry.example/ablate-python:1"}


def test_a_terminal_shows_a_table_of_steps() -> None:
    screen = Console(file=StringIO(), force_terminal=True, width=100)
    tasks = (Task("resolve-plan", "SUCCEEDED"), Task("resolve-plan-driver", "SUCCEEDED"))
    with View(screen, Steps(("resolve-plan",), ())) as view:
        view.update(Run("r", "RUNNING", tasks=tasks))
    shown = screen.file.getvalue()
    assert "run running" in shown
    assert "resolve-plan " in shown
    assert "driver" not in shown


def test_versions_are_named_by_code_and_package(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("image: a")
    other.write_text("image: b")
    assert _version_name("a5134ba12345", one) == f"a5134ba12345-{_version_name('', one)[-8:]}"
    assert _version_name("V1.2-3-gabc+", one).startswith("v1.2-3-gabc-dirty-")
    assert _version_name("", one).startswith("no-revision-")
    assert _version_name("", one) != _version_name("", other)
