"""States of steps and reasons of pods, read from runs of a genuine server."""

from typing import Any

import kfp_server_api
import pytest
from kubeflow_recorded import RUNS, recorded, workflow

from pipelines.package.steps import Steps
from pipelines.server.ending import describe
from pipelines.server.errors import Rejected, ServerFailed
from pipelines.server.reasons import Reasons, find_reasons, read_workflow
from pipelines.server.runs import Run, Task, read_run
from pipelines.server.step_states import step_states
from tracking.progress import TrialProgress

LOOP = ("train-trial", "evaluate-trial")
STEPS = Steps(("resolve-plan", "prepare-corpus", "find-finished", *LOOP, "compare-arms", "register-checkpoint"), LOOP)
PAGE = "http://kubeflow.example/#/runs/details/x"
OOM = "OOMKilled (exit code 137)"


class Answer:
    """The answer of a server, as the generated client receives it."""

    def __init__(self, body: Any) -> None:
        import json

        self.data = json.dumps(body)


def genuine(name: str) -> Run:
    return read_run(kfp_server_api.ApiClient().deserialize(Answer(recorded(name).body), "V2beta1Run"))


def words(name: str, steps: Steps = STEPS) -> dict[str, str]:
    return {state.name: state.words for state in step_states(genuine(name), steps)}


@pytest.mark.parametrize("name", RUNS)
def test_a_genuine_run_is_read(name: str) -> None:
    run = genuine(name)
    assert run.ended
    assert run.state == ("SUCCEEDED" if name == "run-succeeded" else "FAILED")
    assert run.stopped is (name == "run-terminated")
    assert run.name
    assert run.created is not None
    assert run.plugin_failure == ""


def test_every_step_of_a_succeeded_run_is_named_once() -> None:
    assert words("run-succeeded") == dict.fromkeys(STEPS.names, "succeeded")


def test_steps_that_were_left_out_are_not_shown() -> None:
    assert words("run-failed-first-step") == {"resolve-plan": "failed"}


def test_turns_of_a_step_are_counted() -> None:
    before = dict.fromkeys(STEPS.names[:3], "succeeded")
    assert words("run-memory-kill") == before | {"train-trial": "2 turns: 2 failed"}
    steps = Steps(("make", "work", "collect", "finish"), ("work",))
    mixed = {"make": "succeeded", "work": "4 turns: 1 failed, 3 succeeded", "finish": "succeeded"}
    assert words("run-exit-handler", steps) == mixed


def test_no_step_of_an_ended_run_is_running() -> None:
    """Argo packed the nodes of this run, and the server's record of them froze."""
    found = words("run-first-study-2x4-packed")
    assert found["train-trial"] == "6 turns: 6 succeeded"
    assert found["evaluate-trial"] == "6 turns: 1 end not recorded, 5 succeeded"
    assert not any("running" in text or "pending" in text for text in found.values())
    ending = describe(genuine("run-first-study-2x4-packed"), STEPS, (), Reasons(), PAGE)
    assert ending.problems == ("the server has not recorded how these steps ended: evaluate-trial",)
    assert not ending.steps_failed


def test_steps_of_a_running_run_run() -> None:
    tasks = (Task("train-trial", "RUNNING"), Task("train-trial", "PENDING"), Task("", ""), Task("compare-arms", ""))
    [state] = step_states(Run("r", "RUNNING", tasks=tasks), STEPS)
    assert (state.state, state.words, state.unrecorded) == ("RUNNING", "2 turns: 1 pending, 1 running", 0)


def test_a_node_that_is_shown_twice_counts_once() -> None:
    tasks = (Task("resolve-plan", "RUNNING"), Task("resolve-plan", "RUNNING"), Task("compare-arms", "RUNNING"))
    tasks += (Task("compare-arms", "SUCCEEDED"),)
    states = step_states(Run("r", "RUNNING", tasks=tasks), STEPS)
    assert {state.name: state.words for state in states} == {"resolve-plan": "running", "compare-arms": "succeeded"}


def test_a_failed_driver_fails_its_step() -> None:
    tasks = (Task("compare-arms-driver", "FAILED"), Task("compare-arms-driver(0)", "FAILED"), Task("compare-arms", ""))
    run = Run("r", "FAILED", ended=True, tasks=tasks)
    [state] = step_states(run, STEPS)
    assert (state.name, state.words, state.failed) == ("compare-arms", "driver failed", 1)
    ending = describe(run, STEPS, (), Reasons(), PAGE)
    assert ending.problems == ("step compare-arms: driver failed",)
    assert "the run ended as FAILED at compare-arms" in ending.verdict
    assert "the driver is a pod of Kubeflow" in ending.verdict


@pytest.mark.parametrize("packed", [False, True])
def test_reasons_of_pods_come_from_the_workflow(packed: bool) -> None:
    found = find_reasons(lambda: workflow(packed=packed), STEPS)
    assert found == Reasons({"train-trial": (OOM,)})
    ending = describe(genuine("run-memory-kill"), STEPS, (), found, PAGE)
    assert ending.problems == (f"step train-trial: 2 turns: 2 failed: {OOM}",)
    assert ending.verdict.startswith(
        f"failed: the run ended as FAILED at train-trial ({OOM}); see {PAGE}; give the steps"
    )


@pytest.mark.parametrize("spec", [{"activeDeadlineSeconds": 0}, {"shutdown": "Terminate"}])
def test_the_workflow_says_that_it_was_terminated(spec: dict[str, Any]) -> None:
    found = find_reasons(lambda: workflow(**spec), STEPS)
    assert found.stopped
    ending = describe(genuine("run-memory-kill"), STEPS, (), found, PAGE)
    assert ending.verdict.startswith("terminated: the run ended as FAILED because it was terminated")


def test_a_step_in_the_workflow_only_is_named() -> None:
    """A packed run: the server's record ended before the step that failed."""
    nodes = {
        "a": {"displayName": "compare-arms(0)", "type": "DAG", "phase": "Failed", "boundaryID": "r"},
        "b": {"displayName": "executor", "type": "Retry", "phase": "Failed", "boundaryID": "a", "children": ["c"]},
        "c": {"displayName": "executor(0)", "type": "Pod", "phase": "Failed", "boundaryID": "a"},
        "d": {
            "displayName": "iteration-driver",
            "type": "Pod",
            "phase": "Error",
            "message": "main: Error (exit code 1)",
        },
        "r": {"displayName": "root(0)", "type": "DAG", "phase": "Failed", "boundaryID": "r"},
    }
    nodes["b"]["message"] = "main: Error (exit code 2)"
    found = read_workflow({"status": {"nodes": nodes}}, STEPS)
    assert found.steps == {"compare-arms": ("Error (exit code 2)",), "iteration-driver": ("Error (exit code 1)",)}
    ending = describe(genuine("run-first-study-2x4-packed"), STEPS, (), found, PAGE)
    assert "step compare-arms: failed: Error (exit code 2)" in ending.problems
    assert ending.steps_failed
    assert "the log of compare-arms on that page has the reason" in ending.verdict


def fail_with(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    "answer",
    [
        lambda: fail_with(Rejected("gone", 404)),
        lambda: fail_with(ServerFailed("away")),
        lambda: {},
        lambda: {"pipeline_runtime": None},
        lambda: {"pipeline_runtime": {"workflow_manifest": ""}},
        lambda: {"pipeline_runtime": {"workflow_manifest": "[]"}},
        lambda: {"pipeline_runtime": {"workflow_manifest": '{"status": {"compressedNodes": "eA=="}}'}},
        lambda: {"pipeline_runtime": {"workflow_manifest": '{"status": {"nodes": {"a": 1}}}'}},
    ],
)
def test_without_the_old_api_there_are_no_reasons(answer: Any) -> None:
    assert find_reasons(answer, STEPS) == Reasons()


def test_the_end_names_trials_by_outcome() -> None:
    trials = [
        TrialProgress("baseline", 1, "finished", None),
        TrialProgress("no-scale", 1, "failed", "the loss is NaN at step 7"),
        TrialProgress("no-scale", 2, "stopped", None),
        TrialProgress("no-scale", 3, "running", None),
        *(TrialProgress("more", seed, "finished", None) for seed in range(1, 15)),
    ]
    lines = describe(genuine("run-memory-kill"), STEPS, trials, Reasons(), PAGE).trials
    assert lines[0] == "trials: 15 finished, 1 running, 1 failed, 1 stopped"
    assert lines[1].startswith("finished: baseline seed 1, more seed 1, ")
    assert lines[1].endswith(" and 3 more")
    assert lines[2:] == (
        "failed: no-scale seed 1: the loss is NaN at step 7",
        "stopped: no-scale seed 2",
        "cut off: no-scale seed 3",
    )
