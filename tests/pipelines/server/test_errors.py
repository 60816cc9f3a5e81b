"""Refusals that a genuine server sent: whose mistake they are, and what is left of their text."""

from collections.abc import Callable
from typing import Any

import pytest
from kfp_server_api.rest import ApiException
from kubeflow_recorded import recorded

from pipelines.server.credentials import Credential
from pipelines.server.errors import LONGEST, Denied, NotKubeflow, Rejected, ServerFailed, translated

Submit = Callable[..., Any]

REFUSALS = {
    "error-cron": "Schedule cron is not a supported format(https://godoc.org/github.com/robfig/cron). Error: Beginning",
    "error-experiment-exists": "(Failed to create a new experiment. The name SMOKE already exists. Please specify a new",
    "error-experiment-name-129": "Experiment.Name length cannot exceed 128)",
    "error-placeholder": "failed to resolve {{inputs.parameters.x}})",
    "error-run-name-long": "Data too long for column 'DisplayName' at row 1)",
    "error-unknown-parameter": "(parameter(s) provided are not required by pipeline: nothing)",
    "error-version-of-other-pipeline": "PipelineVersion 00000000-0000-0000-0000-000000000000 not found)",
    "error-wrong-type": "(input parameter threads requires type double or integer, but the parameter value is not",
    "run-unknown": "(Run 00000000-0000-0000-0000-000000000000 not found)",
    "upload-error-not-a-pipeline": "HTTP status 400 (unknown template format)",
    "upload-error-version-exists": "HTTP status 409 (Failed to create a pipeline version)",
    "upload-error-version-name-128": "(Invalid input error: PipelineVersion.Name length cannot exceed 127)",
}


def error_of(status: int, body: Any, kind: str = "application/json") -> Exception:
    import json

    fault = ApiException(status=status)
    fault.body = body if isinstance(body, str) else json.dumps(body)
    fault.headers = {"content-type": kind}
    return translated(fault, "http://kubeflow.example", Credential("no credential"))


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_of_the_server_is_bad_input(name: str) -> None:
    answer = recorded(name)
    error = error_of(answer.status, answer.body, answer.kind)
    assert isinstance(error, Rejected)
    assert error.status == answer.status
    assert REFUSALS[name] in str(error)
    assert len(str(error)) < LONGEST + 120
    assert "\n" not in str(error)
    assert ".go:" not in str(error)


def test_a_failure_of_the_server_stays_a_failure() -> None:
    for message in ("InternalServerError: database is locked", "Failed to connect to MLMD", ""):
        error = error_of(500, {"code": 13, "message": message, "details": [{"message": "Internal Server Error"}]})
        assert isinstance(error, ServerFailed)
        assert message in str(error)
    assert isinstance(error_of(429, {"message": "Invalid input error: slow down"}), ServerFailed)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, [1], "application/json"),
        (500, {"message": None, "details": []}, "application/json"),
        (500, {"message": {"deep": 1}, "details": {"x": 1}}, "application/json"),
        (400, {"details": ["text"]}, "application/json"),
        (400, {"details": [{"message": 5}]}, "application/json"),
        (503, "upstream connect error", "text/plain"),
    ],
)
def test_answers_in_other_shapes_are_one_sentence(status: int, body: Any, kind: str) -> None:
    assert isinstance(error_of(status, body, kind), ServerFailed if status >= 500 else Rejected)


def test_an_address_that_a_web_server_lacks_is_not_kubeflow() -> None:
    assert isinstance(error_of(404, "404 page not found", "text/plain"), NotKubeflow)


def test_a_missing_right_to_upload_is_denied() -> None:
    said = "Failed to authorize the request: PermissionDenied: User 'anna' is not authorized with reason: none"
    assert isinstance(error_of(400, {"error_message": said, "error_details": ""}), Denied)


@pytest.mark.parametrize(
    ("at", "name"),
    [
        ("post /runs", "error-placeholder"),
        ("post /runs", "error-run-name-long"),
        ("post /runs", "error-version-of-other-pipeline"),
        ("post /experiments", "error-experiment-name-129"),
        ("post /pipelines/upload_version", "upload-error-version-name-128"),
        ("post /pipelines/upload_version", "upload-error-not-a-pipeline"),
    ],
)
def test_a_refused_study_is_exit_code_2_and_not_repeated(submit: Submit, kubeflow: Any, at: str, name: str) -> None:
    kubeflow.refuse[at] = name
    answer = submit("--gate")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert REFUSALS[name] in answer.err
    assert kubeflow.calls().count(at) == 1


def test_a_failed_plugin_of_the_server_is_said(submit: Submit, kubeflow: Any) -> None:
    kubeflow.plugin = {"state": "PLUGIN_FAILED", "state_message": "cannot reach\nhttp://mlflow:5000"}
    answer = submit("--wait")
    line = "the server's MLflow plugin failed (cannot reach http://mlflow:5000)"
    assert (answer.code, answer.out.count(line)) == (0, 1)
    kubeflow.plugin = {"state": "PLUGIN_SUCCEEDED", "entries": {}}
    assert "plugin" not in submit("--wait").out
