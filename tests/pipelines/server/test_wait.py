"""`ablate submit --wait` and `--gate` against a server on loopback: progress, outcomes and failures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kubeflow_recorded import before_its_steps, scenario, workflow

from pipelines.package.steps import pipeline_steps

Submit = Callable[..., Any]


@pytest.mark.parametrize(
    ("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1), ("SKIPPED", 1), ("HIBERNATED", 1)]
)
def test_only_a_succeeded_run_gives_exit_code_0(submit: Submit, kubeflow: Any, state: str, code: int) -> None:
    kubeflow.contract = kubeflow.contract if state != "HIBERNATED" else None  # unknown to the definition
    kubeflow.script = ["PENDING", "RUNNING", "PAUSED", "CANCELING", state]
    answer = submit("--wait")
    assert answer.code == code
    said = [line.removeprefix("run: ") for line in answer.out.splitlines() if line.startswith("run: ")]
    assert said == ["pending", "running", "paused", "canceling", state.lower()]
    assert (answer.err == "") is (code == 0)
    known = "the run ended as" if state != "HIBERNATED" else "in state 'HIBERNATED', which `ablate` does not know"
    assert code == 0 or (known in answer.err and state in answer.err)
    assert code == 0 or f"{kubeflow.host}/#/runs/details/runs-1" in answer.err


def test_an_ended_run_in_an_unknown_state_ends_the_wait(submit: Submit, kubeflow: Any) -> None:
    kubeflow.contract = None
    kubeflow.script = [
        {"state": "EXPLODING", "finished_at": "1970-01-01T00:00:00Z"},  # servers send this date for "not yet"
        {"state": "EXPLODED", "finished_at": "2026-01-01T00:00:00Z"},
    ]
    answer = submit("--wait")
    assert (answer.code, kubeflow.calls().count("get /runs/runs-1")) == (1, 2)
    assert "ended as EXPLODED" in answer.err


def test_temporary_failures_do_not_end_the_wait(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = ["RUNNING", 503, "break", 429, 500, "SUCCEEDED"]
    answer = submit("--wait")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.count("no answer, trying again: ") == 4


@pytest.mark.parametrize(
    ("step", "words"), [(503, "HTTP status 503 (the server is in trouble)"), (404, "404"), (401, "401 Unauthorized")]
)
def test_a_server_that_stays_away_ends_the_wait(submit: Submit, kubeflow: Any, step: int, words: str) -> None:
    kubeflow.script = ["RUNNING", step]
    answer = submit("--wait")
    assert answer.code == 1
    assert answer.err.startswith("no longer waiting: ")
    assert words in answer.err
    assert f"to stop it: ablate submit --terminate runs-1 --host {kubeflow.host}" in answer.err


def test_a_timeout_ends_the_wait(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = ["RUNNING"]
    answer = submit("--wait", "--timeout", "0.001")
    assert answer.code == 1
    assert "the time of --timeout is over, and the run is running" in answer.err
    answer = submit("--timeout", "5")
    assert (answer.code, answer.out) == (2, "")
    assert "--timeout limits the waiting; give --wait" in answer.err


def test_ci_waits_for_an_absent_server_and_starts_one_run(submit: Submit, kubeflow: Any) -> None:
    answer, away = kubeflow.answer, {"left": 3}

    def late(asked: Any) -> Any:
        away["left"] -= 1
        return answer(asked) if away["left"] < 0 else (503, {"code": 14, "message": "starting"})

    kubeflow.answer = late
    assert submit().code == 1  # a person gets the error at once
    done = submit("--gate")
    assert (done.code, done.err, done.out.count("no answer, trying again: ")) == (0, "", 2)
    assert [len(kubeflow.things[kind]) for kind in ("pipelines", "experiments", "runs")] == [1, 1, 1]


def test_ci_stops_waiting_for_an_absent_server(submit: Submit, kubeflow: Any) -> None:
    kubeflow.trouble["get /healthz"] = (503, "", {})
    answer = submit("--gate")
    assert (answer.code, kubeflow.things["runs"]) == (1, [])
    assert "HTTP status 503; no run was started" in answer.err
    kubeflow.trouble["get /healthz"] = (401, "", {})
    kubeflow.asked.clear()
    assert submit("--gate").code == 1
    assert kubeflow.calls() == ["get /healthz"]  # a wait does not make a token valid


def todays_names() -> dict[str, str]:
    """Return the names of the steps of a trial in the recorded runs -> those of the present pipeline."""
    train, evaluate = pipeline_steps().trial
    return {"train-trial": train, "evaluate-trial": evaluate}


def test_progress_of_a_genuine_run(submit: Submit, kubeflow: Any) -> None:
    ended = scenario("run-memory-kill", todays_names())
    train = pipeline_steps().trial[0]
    kubeflow.script = ["PENDING", before_its_steps(ended) | {"state": "RUNNING"}, ended]
    answer = submit("--wait")
    assert answer.code == 1
    assert answer.out.splitlines()[2:] == [
        "run: pending",
        "run: running",
        *(f"{name}: running" for name in ("resolve-plan", "prepare-corpus", "find-finished")),
        f"{train}: 2 turns: 2 running",
        "trials are not named: set MLFLOW_TRACKING_URI to the MLflow server as this machine reaches it",
        "run: failed",
        *(f"{name}: succeeded" for name in ("resolve-plan", "prepare-corpus", "find-finished")),
        f"{train}: 2 turns: 2 failed",
    ]
    assert answer.err.splitlines() == [
        f"step {train}: 2 turns: 2 failed",
        f"failed: the run ended as FAILED at {train}; see {kubeflow.host}/#/runs/details/runs-1; the log of {train} on "
        "that page has the reason; correct it, then submit the plan again: finished trials are reused",
    ]


def test_the_old_api_adds_the_reason(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script, kubeflow.old_api = [scenario("run-memory-kill", todays_names())], workflow(todays_names())
    answer = submit("--gate")
    assert answer.code == 1
    assert answer.err.splitlines()[0].endswith("2 turns: 2 failed: OOMKilled (exit code 137)")
    assert "(OOMKilled (exit code 137)); see " in answer.err
    assert "give the steps more memory" in answer.err.splitlines()[-1]
    assert kubeflow.calls()[-1] == "get /apis/v1beta1/runs/runs-1"


def test_a_terminated_run_is_called_terminated(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = [scenario("run-terminated", todays_names())]
    answer = submit("--wait")
    assert answer.code == 1
    last = answer.err.splitlines()[-1]
    assert last.startswith("terminated: the run ended as FAILED because it was terminated; see ")
    assert last.endswith("; submit the plan again: finished trials are reused")
    kubeflow.script = ["RUNNING", "CANCELING", "FAILED"]  # the server may forget that it was
    assert submit("--wait").err.splitlines()[-1].startswith("terminated: ")


def test_the_first_failed_step_is_named(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = [scenario("run-failed-first-step")]
    answer = submit("--wait")
    assert (answer.code, answer.err.splitlines()[0]) == (1, "step resolve-plan: failed")
    assert "the log of resolve-plan on that page has the reason" in answer.err


def test_states_that_are_stored_late_are_waited_for(submit: Submit, kubeflow: Any) -> None:
    ended = scenario("run-failed-first-step")
    kubeflow.script = [before_its_steps(ended), before_its_steps(ended), ended]
    answer = submit("--gate")
    assert answer.err.splitlines()[0] == "step resolve-plan: failed"
    assert "not recorded" not in answer.out + answer.err


def test_a_frozen_record_ends_the_wait(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = [scenario("run-first-study-2x4-packed", todays_names())]
    answer = submit("--wait")
    assert (answer.code, kubeflow.calls().count("get /runs/runs-1")) == (1, 4)
    assert "running" not in answer.out
    assert answer.err.startswith("the server has not recorded how these steps ended: ")


def test_the_gate_fails_for_a_failed_step(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = [scenario("run-memory-kill", todays_names()) | {"state": "SUCCEEDED"}]
    assert submit("--wait").code == 0
    answer = submit("--gate")
    assert (answer.code, "2 turns: 2 failed" in answer.err) == (1, True)
    kubeflow.script = [scenario("run-succeeded", todays_names())]
    assert (submit("--gate").code, submit("--gate").err) == (0, "")


def opened(store: str, kfp_run: str) -> Any:
    """Open a study in a real store, as the first step of a run does."""
    from tracking.store import client
    from tracking.studies import open_study

    trials = [
        {"arm": arm, "seed": seed, "part": "", "params": {}} for arm in ("baseline", "no-scale") for seed in (1, 2)
    ]
    runs = open_study(store, "demo", question="", params={}, conditions=[], trials=trials)
    client(store).set_tag(runs.study, "ablation.kfp_run", kfp_run)
    return runs


def test_trials_are_named_with_their_reason(
    submit: Submit, kubeflow: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tracking.runs import end_run, start_trial
    from tracking.store import client

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    runs = opened(store, "runs-1")
    end_run(store, runs.trials[0], "FINISHED")
    start_trial(store, runs.trials[1], "f")
    end_run(store, runs.trials[2], "FAILED", "the loss is NaN at step 7")
    ended = scenario("run-memory-kill", todays_names())
    kubeflow.script = [before_its_steps(ended) | {"state": "RUNNING"}, ended]
    answer = submit("--wait")
    assert answer.code == 1
    said = [line for line in answer.out.splitlines() if " seed " in line]
    assert said == [
        "baseline seed 1: finished",
        "baseline seed 2: running",
        "no-scale seed 1: failed: the loss is NaN at step 7",
    ]
    assert answer.err.splitlines()[:4] == [
        "trials: 1 finished, 1 running, 1 failed, 1 waiting",
        "finished: baseline seed 1",
        "failed: no-scale seed 1: the loss is NaN at step 7",
        "cut off: baseline seed 2",
    ]
    left = {client(store).get_run(run).info.status for run in (*runs.trials, runs.study)}
    assert left == {"FINISHED", "FAILED", "KILLED"}  # no run is left open


def test_failed_trials_of_a_succeeded_run_are_named(
    submit: Submit, kubeflow: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tracking.runs import end_run

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    runs = opened(store, "runs-1")
    for run, status in zip(runs.trials, ("FINISHED", "FINISHED", "FAILED", "FINISHED"), strict=True):
        end_run(store, run, status, "out of memory" if status == "FAILED" else None)
    kubeflow.script = [scenario("run-succeeded", todays_names())]
    answer = submit("--gate")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[-4:-1] == [
        "trials: 3 finished, 1 failed",
        "finished: baseline seed 1, baseline seed 2, no-scale seed 2",
        "failed: no-scale seed 1: out of memory",
    ]


def test_an_absent_mlflow_costs_only_the_names(
    submit: Submit, kubeflow: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from pipelines.server import trials

    broken = tmp_path / "broken.db"
    broken.write_text("not a database")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{broken}")
    monkeypatch.setattr(trials, "EVERY_S", 0.0)
    kubeflow.script = [scenario("run-succeeded", todays_names())]
    answer = submit("--wait")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.count("trials may be out of date: MLflow at sqlite:///") == 1
