"""The emulator's control flow: graphs, loops and exit tasks as the genuine server runs them."""

import time
from pathlib import Path

import pytest
from emulator.backend import Backend, fill_outputs
from emulator.faults import lose_pod, terminate
from emulator.package import Refused
from kfp import dsl
from small_pipelines import collected, compiled, loop, one, opened, said, worked

SLOW_B = 'echo "made $item" > "$out"; [ "$item" != b ] || sleep 30'


def test_steps_run_in_order_and_the_exit_task_last(backend: Backend, tmp_path: Path) -> None:
    run = backend.run(loop(tmp_path), {"items": ["a", "b", "c"]})
    assert run.state == "SUCCEEDED", run.told()
    assert (run.names[-1], len(run.of("worked")), len(run.of("checked"))) == ("closed", 3, 3)
    assert run.step("opened").parameters == {"told": f"{run.id}:3"}
    # Drivers: the root, the exit handler, the loop, 3 turns, 11 steps.
    assert (run.driver_pods, run.step_pods, run.pods) == (17, 11, 28)


def test_the_exit_task_gets_names_and_the_final_state(backend: Backend, tmp_path: Path) -> None:
    run = backend.run(loop(tmp_path), {"items": ["a"]}, stubs={"said": fill_outputs, "said-2": fill_outputs})
    assert run.step("closed").parameters == {"Output": f"{run.id} COMPLETE {run.name} exit-handler-1"}
    assert run.step("closed").artifacts["told"].metadata == {"pages": 3.0}


def test_a_failed_turn_fails_the_loop_and_others_go_on(backend: Backend, tmp_path: Path) -> None:
    script = '[ "$item" != b ] || exit 3; sleep 0.5; echo > "$out"'
    run = backend.run(loop(tmp_path), {"items": ["a", "b", "c"], "script": script})
    assert run.state == "FAILED"
    assert [step.state for step in run.of("worked")] == ["succeeded", "failed", "succeeded"]
    assert [step.state for step in run.of("checked")] == ["succeeded", "omitted", "succeeded"]
    assert (run.step("said").state, run.step("said-2").state) == ("omitted", "succeeded")
    failed = run.of("worked")[1]
    assert (failed.code, failed.command_code, failed.pods) == (
        1,
        3,
        1,
    )  # the launcher ends with 1, and exit codes end it
    assert run.step("closed").parameters["Output"].split()[1] == "FAILED"


def test_a_lost_pod_leaves_the_final_state_running(backend: Backend, tmp_path: Path) -> None:
    arguments = {"items": ["a", "b"], "script": SLOW_B}
    run = backend.run(loop(tmp_path), arguments, faults=[lose_pod("worked", "sigkill", turn=1, file="/minio/**/made")])
    assert [(step.state, step.code, step.pods) for step in run.of("worked")] == [
        ("succeeded", 0, 1),
        ("failed", 137, 1),
    ]
    assert (run.state, run.step("said").state) == ("FAILED", "omitted")
    assert run.step("closed").parameters["Output"].split()[1] == "RUNNING"  # nobody was left to store the failure


def test_a_deleted_pod_is_started_again_twice(backend: Backend, tmp_path: Path) -> None:
    package, arguments = loop(tmp_path), {"items": ["b"], "script": SLOW_B.replace("30", "1")}
    run = backend.run(package, arguments, faults=[lose_pod("worked", "delete", file="/minio/**/made", times=2)])
    assert (run.state, run.of("worked")[0].pods) == ("SUCCEEDED", 3), run.told()


def test_a_pod_deleted_three_times_is_an_error(backend: Backend, tmp_path: Path) -> None:
    fault = lose_pod("said", "delete", when=lambda pod: bool(pod.pids()[2:]), times=9)
    run = backend.run(one(tmp_path), {"script": "sleep 20"}, faults=[fault])
    assert (run.state, run.step("said").state, run.step("said").pods) == ("FAILED", "error", 3)


def test_a_loop_without_items_has_no_turn(backend: Backend, tmp_path: Path) -> None:
    run = backend.run(loop(tmp_path), {"items": []})
    assert run.state == "SUCCEEDED", run.told()
    assert run.of("worked") == []
    assert run.step("said").state == "succeeded"
    assert (
        run.step("closed").parameters["Output"].split()[1] == "RUNNING"
    )  # genuine: no step ends the empty loop's graph


def test_nothing_can_be_collected_from_an_empty_loop(backend: Backend, tmp_path: Path) -> None:
    package = collected(tmp_path)
    assert backend.run(package, {"items": ["a", "b"]}).state == "SUCCEEDED"
    run = backend.run(package, {"items": []})
    assert (run.state, run.step("joined").state) == ("FAILED", "driver-failed")


@pytest.mark.parametrize(("limit", "most"), [(None, 2), (1, 1)])
def test_turns_run_side_by_side_within_the_limit(
    backend: Backend, tmp_path: Path, limit: int | None, most: int
) -> None:
    script = 'date +%s.%N > "$out"; sleep 0.3; date +%s.%N >> "$out"'
    run = backend.run(loop(tmp_path, limit), {"items": ["a", "b", "c"], "script": script})
    files = [next(backend.objects.keys(step.artifacts["made"].uri))[0] for step in run.of("worked")]
    spans = [tuple(map(float, file.read_text().split())) for file in files]
    assert max(sum(began <= moment < ended for began, ended in spans) for moment, _ in spans) == most


def test_terminate_kills_all_processes_within_seconds(backend: Backend, tmp_path: Path) -> None:
    script = "trap 'echo told' TERM; sleep 60 & wait; sleep 60"
    began = time.monotonic()
    run = backend.run(loop(tmp_path), {"items": ["a"], "script": script}, faults=[terminate("worked", log="")])
    assert time.monotonic() - began < 10
    assert (run.state, run.states) == ("FAILED", ["PENDING", "RUNNING", "CANCELING", "FAILED"])
    assert (run.of("worked")[0].code, run.of("worked")[0].state) == (143, "failed")
    assert (run.names[-1], run.step("closed").state) == ("closed", "succeeded")  # the exit task still runs
    assert run.step("closed").parameters["Output"].split()[1] == "RUNNING"
    assert run.of("worked")[0].uploaded == {}


def test_a_terminated_run_starts_nothing_more(backend: Backend, tmp_path: Path) -> None:
    script = 'echo a > "$out"; sleep 60'
    fault = terminate("worked", file="/minio/**/made")
    run = backend.run(loop(tmp_path, 1), {"items": ["a", "b"], "script": script}, faults=[fault])
    assert len([step for step in run.of("worked") if step.ran]) == 1
    assert not [step for step in run.of("checked") if step.ran]


def test_an_ignored_failure_runs_once_per_upstream_task(backend: Backend, tmp_path: Path) -> None:
    @dsl.pipeline(name="judge")
    def pipeline(run: str = "") -> None:
        first = opened(n=1, run=run)
        second = said(script="exit 1").after(first)
        worked(item="x", script='echo > "$out"').after(first, second).ignore_upstream_failure()

    run = backend.run(compiled(pipeline, tmp_path))
    assert [step.good for step in run.of("worked")] == [True, True]  # the first one too early


def test_a_failed_exit_task_does_not_fail_the_run(backend: Backend, tmp_path: Path) -> None:
    @dsl.pipeline(name="leaving")
    def pipeline() -> None:
        with dsl.ExitHandler(said(script="exit 1")):
            said(script="echo inner")

    run = backend.run(compiled(pipeline, tmp_path))
    assert (run.state, sorted(step.state for step in run.steps)) == ("SUCCEEDED", ["failed", "succeeded"]), run.told()


def test_what_the_server_refuses(backend: Backend, tmp_path: Path) -> None:
    package = one(tmp_path)
    with pytest.raises(Refused, match="not found"):
        backend.run(package, {"script": "true", "unknown": 1})
    with pytest.raises(Refused, match="not optional"):
        backend.run(package)


def test_an_input_of_a_wrong_type_fails_its_driver(backend: Backend, tmp_path: Path) -> None:
    @dsl.pipeline(name="typed")
    def pipeline(n: int) -> None:
        opened(n=n, run="x")

    run = backend.run(compiled(pipeline, tmp_path), {"n": "three"})
    assert run.step("opened").state == "driver-failed"
    assert "type mismatch: expect NUMBER_INTEGER" in run.step("opened").reason
