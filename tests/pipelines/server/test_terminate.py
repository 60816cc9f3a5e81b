"""`ablate submit --terminate`, and the MLflow runs of studies whose run on the server has ended."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def terminate(ablate: Command, kubeflow: Any) -> Command:
    """Call the command without a plan."""
    return lambda run, *options: ablate("submit", "--terminate", run, "--host", kubeflow.host, *options)


@pytest.fixture
def shared_store(store: str, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A real store that this machine and the pods use."""
    from tracking.store import prepare_store

    assert empty_home.is_dir()  # that fixture removes the variable, so it comes first
    prepare_store(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return store


def opened(store: str, kfp_run: str, study: str = "demo") -> Any:
    """Open a study in a real store, as the first step of a run does."""
    from tracking.runs import start_trial
    from tracking.store import client
    from tracking.studies import open_study

    trials = [{"arm": "baseline", "seed": seed, "part": "", "params": {}} for seed in (1, 2)]
    runs = open_study(store, study, question="", params={}, conditions=[], trials=trials)
    client(store).set_tag(runs.study, "ablation.kfp_run", kfp_run)
    start_trial(store, runs.trials[0], "f")
    return runs


def statuses(store: str, runs: Any) -> list[str]:
    from tracking.store import client

    return [client(store).get_run(run).info.status for run in (runs.study, *runs.trials)]


def test_a_run_is_terminated_and_its_study_closed(
    submit: Command, terminate: Command, kubeflow: Any, shared_store: str
) -> None:
    from tracking.store import client

    kubeflow.script = ["RUNNING"]
    submit()
    runs = opened(shared_store, "runs-1")
    answer = terminate("runs-1")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[1:] == [
        f"Ended: {kubeflow.things['runs'][0]['display_name']} as FAILED, terminated",
        "MLflow: 3 open runs of the study closed",
        "To continue, submit the plan again: finished trials are reused",
    ]
    assert kubeflow.calls().count("post /runs/runs-1:terminate") == 1
    assert statuses(shared_store, runs) == 3 * ["KILLED"]
    tags = client(shared_store).get_run(runs.trials[0]).data.tags
    assert tags["ablation.reason"] == "the run on Kubeflow was terminated"


@pytest.mark.usefixtures("shared_store")
def test_the_page_of_a_run_names_it_and_its_server(submit: Command, ablate: Command, kubeflow: Any) -> None:
    kubeflow.script = ["RUNNING"]
    page = submit().out.splitlines()[-1].removeprefix("Run: ")
    answer = ablate("submit", "--terminate", page)
    assert (answer.code, "MLflow: the run opened no study" in answer.out) == (0, True)


def test_an_ended_run_is_only_closed_in_mlflow(
    submit: Command, terminate: Command, kubeflow: Any, shared_store: str
) -> None:
    submit()
    runs = opened(shared_store, "runs-1")
    answer = terminate("runs-1")
    assert (answer.code, answer.out.splitlines()[0].rpartition(" ")[2]) == (0, "SUCCEEDED")
    assert "post /runs/runs-1:terminate" not in kubeflow.calls()
    assert statuses(shared_store, runs) == 3 * ["KILLED"]


def test_a_run_that_is_being_terminated_is_waited_for(submit: Command, terminate: Command, kubeflow: Any) -> None:
    kubeflow.script = ["CANCELING", "CANCELING", 503, "FAILED"]
    submit()
    answer = terminate("runs-1")
    assert answer.code == 0
    assert "post /runs/runs-1:terminate" not in kubeflow.calls()
    assert "MLflow: unchanged, because MLFLOW_TRACKING_URI is not set" in answer.out


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["nothing"], "HTTP status 404 (Run nothing not found)", 2),
        (["a b"], "a run is its id, or the address of its page", 2),
        (["http://kubeflow.example/#/pipelines"], "a run is its id, or the address of its page", 2),
        (["runs-1", "--cron", "0 0 2 * * *"], "leave out the plan and --cron", 2),
        (["runs-1", "plans/smoke.yaml"], "leave out the plan and --cron", 2),
    ],
)
@pytest.mark.usefixtures("submit")
def test_a_wrong_run_is_one_sentence(terminate: Command, arguments: list[str], words: str, code: int) -> None:
    answer = terminate(*arguments)
    assert (answer.code, answer.out, answer.err.count("\n")) == (code, "", 1)
    assert words in answer.err


def test_a_plan_or_a_run_is_needed(ablate: Command) -> None:
    answer = ablate("submit")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "the command needs a plan, or --terminate RUN" in answer.err


def test_a_run_that_does_not_end_is_not_waited_for_for_ever(submit: Command, terminate: Command, kubeflow: Any) -> None:
    submit()
    kubeflow.script = ["CANCELING"]
    answer = terminate("runs-1", "--timeout", "0.001")
    assert answer.code == 1
    assert "the time of --timeout is over, and the run is CANCELING; run the command again" in answer.err


def test_a_failing_mlflow_is_one_sentence(submit: Command, terminate: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    submit()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    answer = terminate("runs-1")
    assert (answer.code, answer.err.count("\n")) == (1, 1)
    assert "its runs in MLflow stay open: MLflow at http://127.0.0.1:9 cannot be reached" in answer.err


def test_studies_of_ended_runs_are_closed_before_a_run(submit: Command, kubeflow: Any, shared_store: str) -> None:
    from tracking.store import client

    submit()  # runs-1, which the server shows as SUCCEEDED
    ended, elsewhere = opened(shared_store, "runs-1"), opened(shared_store, "runs-of-another-server")
    other = opened(shared_store, "runs-1", study="another")
    answer = submit()
    assert (answer.code, answer.err, "MLflow" in answer.out) == (0, "", False)
    assert statuses(shared_store, ended) == 3 * ["KILLED"]
    assert client(shared_store).get_run(ended.study).data.tags["ablation.reason"] == "the run on Kubeflow has ended"
    assert "KILLED" not in statuses(shared_store, elsewhere) + statuses(shared_store, other)
    running = opened(shared_store, "runs-2")
    kubeflow.script = ["RUNNING"]
    assert submit().code == 0
    assert "KILLED" not in statuses(shared_store, running)


def test_an_absent_mlflow_does_not_stop_a_submission(
    submit: Command, kubeflow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    answer = submit()
    assert (answer.code, answer.err, len(kubeflow.things["runs"])) == (0, "", 1)
