"""Runs of an experiment on a server, as `ablate ci` looks for them."""

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.server.client import Server
from pipelines.server.credentials import Credential

Submit = Callable[..., Any]


@pytest.fixture
def server(kubeflow: Any) -> Server:
    return Server(kubeflow.host, Credential("no credential"))


def made(kubeflow: Any, *names: str) -> None:
    kubeflow.things["runs"] = [
        {"display_name": name, "run_id": f"runs-{number}", "experiment_id": "e", "state": "RUNNING"}
        for number, name in enumerate(names, start=1)
    ]


def test_runs_are_listed_by_name_the_newest_first(server: Server, kubeflow: Any) -> None:
    made(kubeflow, "demo a", "demo b", "demo a", "DEMO A")
    kubeflow.longest_page = 1
    found = server.runs("e", "demo a")
    assert [(run.id, run.name, run.state, run.experiment) for run in found] == [
        ("runs-3", "demo a", "RUNNING", "e"),
        ("runs-1", "demo a", "RUNNING", "e"),
    ]
    assert server.runs("another", "demo a") == []
    assert server.runs("e", "nothing") == []


def test_runs_are_listed_by_a_filter(server: Server, kubeflow: Any) -> None:
    made(kubeflow, "demo a", "demo b")
    kubeflow.things["runs"][0]["state"] = "FAILED"
    running = {"predicates": [{"operation": "EQUALS", "key": "state", "string_value": "RUNNING"}]}
    assert [run.name for run in server.runs("e", running)] == ["demo b"]


def test_an_experiment_is_found_and_not_created(server: Server, kubeflow: Any) -> None:
    assert server.find_experiment("demo") is None
    kubeflow.things["experiments"] = [{"display_name": "demo", "experiment_id": "e", "storage_state": "AVAILABLE"}]
    assert server.find_experiment("demo") == "e"
