"""The error or the problem of a run whose pipeline ended with an exit code, from what its steps left behind."""

import re
from pathlib import Path

import pytest

from common.errors import UserError
from components.shared.problem import Kind, Problem
from components.shared.trial import Status
from pipelines.local.deaths import Death
from pipelines.local.study import RunFailed, failure, problem_of
from pipelines.local.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / ".work")


def fail(workspace: Workspace, kind: Kind, reason: str, step: str = "resolve-plan") -> None:
    Problem(step, kind, reason).write(workspace.problems)


def begin(workspace: Workspace, place: str, ended: bool = False) -> None:
    step = workspace.root / "ablation-study-1" / place
    step.mkdir(parents=True, exist_ok=True)
    if ended:
        (step / "executor_output.json").write_text("{}")


def test_bad_input_is_the_users_error(workspace: Workspace) -> None:
    fail(workspace, "bad_input", "a rule; a remedy")
    error = failure(workspace, 1)
    assert isinstance(error, UserError)
    assert str(error) == "a rule; a remedy"


def test_a_crash_names_step_reason_and_log(workspace: Workspace) -> None:
    fail(workspace, "crash", "KeyError: 'zebra'", "compare-arms")
    error = failure(workspace, 1)
    assert isinstance(error, RunFailed)
    assert str(error) == (
        "the run ended without a report: step compare-arms failed: KeyError: 'zebra'; "
        f"the whole log is {workspace.root.parent / 'run.log'}"
    )


def test_a_killed_step_is_named(workspace: Workspace) -> None:
    begin(workspace, "resolve-plan", ended=True)
    begin(workspace, "for-loop-2-iteration-0/train-trials", ended=True)
    begin(workspace, "for-loop-2-iteration-1/evaluate-trials")
    assert "report: step evaluate-trials ended without a reason; the whole log is" in str(failure(workspace, 1))


def test_a_step_that_was_killed_twice_names_its_trial(workspace: Workspace) -> None:
    place = "for-loop-2-iteration-1/train-trials"
    begin(workspace, place)
    folder = workspace.root / "ablation-study-1" / place
    Status("no-scale", 1, "run").write(folder / "trained" / "no-scale-1")
    for last in (False, True):
        Death("train-trials", f"ablation-study-1/{place}", "SIGKILL", last).write(workspace.root)
    assert problem_of(workspace, 1) == (
        "step train-trials was killed twice (SIGKILL), as happens when memory runs out, so no-scale seed 1 has no result; "
        f"the same command does only what is missing; the whole log is {workspace.log}"
    )


@pytest.mark.parametrize("code", [-9, 143])
def test_a_killed_pipeline_is_named(workspace: Workspace, code: int) -> None:
    begin(workspace, "resolve-plan")
    assert re.search(
        r"its process was killed \(SIG\w+\); the same command continues from", str(failure(workspace, code))
    )


def test_a_run_without_any_step_names_the_log(workspace: Workspace) -> None:
    text = f"the run ended without a report: no step gave a reason; the whole log is {workspace.log}"
    assert str(failure(workspace, 1)) == text


def test_a_report_with_too_many_failures_has_a_problem(workspace: Workspace) -> None:
    fail(workspace, "crash", "KeyError: 'zebra'", "train-trials")
    fail(workspace, "too_many_failed", "3 of 4 trials failed; the plan allows 0", "register-checkpoint")
    assert problem_of(workspace, 1) == "3 of 4 trials failed; the plan allows 0"


def test_a_crash_after_the_report_is_a_problem(workspace: Workspace) -> None:
    fail(workspace, "crash", "OSError: the disk is full", "register-checkpoint")
    assert problem_of(workspace, 1).startswith(
        "step register-checkpoint failed: OSError: the disk is full; the whole log"
    )


def test_the_log_decides_nothing(workspace: Workspace) -> None:
    workspace.root.mkdir()
    workspace.log.write_text("error: the plan's why\nTooManyFailed: 1 of 2\nablation.errors.UserError: no\n")
    assert "no step gave a reason" in str(failure(workspace, 1))
    assert "no step gave a reason" in problem_of(workspace, 1)


@pytest.mark.parametrize("step", ["compare-arms", "close-study"])
def test_a_study_counts_once_its_step_has_ended(workspace: Workspace, step: str) -> None:
    begin(workspace, f"{step}/study")
    folder = workspace.root / "ablation-study-1" / step
    (folder / "study" / "study.json").write_text("{}")
    assert workspace.study is None
    (folder / "executor_output.json").write_text("{}")
    assert workspace.study == folder / "study"


def test_a_folder_without_a_record_is_not_a_study(workspace: Workspace) -> None:
    begin(workspace, "close-study", ended=True)
    begin(workspace, "close-study/study")
    assert workspace.study is None
