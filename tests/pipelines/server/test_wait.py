"""`ablate submit --wait` and `--gate` against a server on loopback: progress, outcomes and failures."""

from collections.abc import Callable
from typing import Any

import pytest

from components.shared.revision import code_rev

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
    assert "/apis/v2beta1/runs/runs-1:terminate" in answer.err


def test_a_timeout_ends_the_wait(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = ["RUNNING"]
    answer = submit("--wait", "--timeout", "0.001")
    assert answer.code == 1
    assert "the time of --timeout is over, and the run is running" in answer.err
    answer = submit("--timeout", "5")
    assert (answer.code, answer.out) == (2, "")
    assert "--timeout limits the waiting; give --wait" in answer.err


def task(id: str, name: str, state: str, *parents: str, **more: Any) -> dict[str, Any]:
    return {"task_id": id, "display_name": name, "state": state, "parent_task_id": "".join(parents), **more}


LOOP = [
    task("0", "demo-x7k2p", "RUNNING"),
    task("1", "resolve-plan-driver", "SUCCEEDED", "0"),
    task("2", "resolve-plan", "SUCCEEDED", "0"),
    task("3", "for-loop-1", "RUNNING", "0"),
    task("4", "iteration-iterations(0:0)", "RUNNING", "3"),
    task("5", "iteration-item", "RUNNING", "4"),
    task("6", "train-trial", "SUCCEEDED", "5"),
    task("7", "evaluate-trial", "RUNNING", "5"),
    task("8", "iteration-iterations(3:3)", "RUNNING", "3", pod_name="p8", child_tasks=[{"pod_name": "p9"}]),
    task("9", "train-trial", "FAILED", pod_name="p9", error={"code": 13, "message": "out of\nmemory"}),
    task("10", "executor", "FAILED", "9"),
]


def test_steps_in_the_loop_are_labelled_by_trial(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = [{"state": "RUNNING", "run_details": {"task_details": LOOP}}, "RUNNING", "SUCCEEDED"]
    answer = submit("--wait", "--seeds", "1,2")
    assert answer.code == 0
    assert answer.out.splitlines()[2:] == [
        "run: running",
        "resolve-plan: succeeded",
        "trial 1 train-trial: succeeded",
        "trial 1 evaluate-trial: running",
        "trial 4 train-trial: failed",
        "run: succeeded",
        f"Succeeded: {kubeflow.things['runs'][0]['display_name']}",
    ]


def test_steps_are_labelled_by_arm_and_seed_from_mlflow(
    submit: Submit, kubeflow: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real store with the runs that the first steps of a study create there. The second trial finished before."""
    from tracking.reuse import note_turn
    from tracking.studies import open_study

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    trials = [
        {"arm": arm, "seed": seed, "part": "", "params": {}} for arm in ("baseline", "no-scale") for seed in (1, 2)
    ]

    def opened() -> None:
        runs = open_study(store, "demo", question="", params={"code_rev": code_rev()}, conditions=[], trials=trials)
        for turn, run in enumerate([runs.trials[0], *runs.trials[2:]]):
            note_turn(store, run, turn)

    look, left = kubeflow._look, [opened]

    def with_study(run: str) -> Any:
        if left:
            left.pop()()
        return look(run)

    kubeflow._look, kubeflow.script = (
        with_study,
        [{"state": "RUNNING", "run_details": {"task_details": LOOP}}, "SUCCEEDED"],
    )
    steps = [line for line in submit("--wait").out.splitlines() if "-trial:" in line]
    assert steps == [
        "baseline seed 1 train-trial: succeeded",
        "baseline seed 1 evaluate-trial: running",
        "trial 4 train-trial: failed",  # not in the store
    ]
    left.append(opened)  # a second study at the same time makes the names ambiguous
    kubeflow.script = [{"state": "RUNNING", "run_details": {"task_details": LOOP}}, "SUCCEEDED"]
    assert "trial 1 train-trial: succeeded" in submit("--wait").out


def test_the_gate_fails_for_a_failed_step(submit: Submit, kubeflow: Any) -> None:
    kubeflow.script = [{"state": "SUCCEEDED", "run_details": {"task_details": LOOP}}]
    assert submit("--wait").code == 0
    answer = submit("--gate")
    assert answer.code == 1
    assert answer.err.splitlines()[0] == "trial 4 train-trial: failed: out of memory"
    kubeflow.script = ["SUCCEEDED"]
    assert submit("--gate").code == 0


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
