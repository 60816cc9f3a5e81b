"""Problems of steps: what is written, printed and raised, with real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import Unavailable, UserError
from components.shared.problem import PROBLEMS_FOLDER, Problem, TooManyFailed, problems, reporting

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of problems that the environment names; it does not exist yet."""
    monkeypatch.setenv(PROBLEMS_FOLDER, str(tmp_path / "a" / "problems"))
    return tmp_path / "a" / "problems"


def fail(step: str, error: BaseException) -> None:
    with reporting(step):
        raise error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UserError("a rule;\n a remedy"), "bad_input"),
        (Unavailable("a rule; a remedy"), "unavailable"),
        (TooManyFailed("a rule; a remedy"), "too_many_failed"),
    ],
)
def test_a_foreseen_problem_ends_with_its_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], error: Exception, kind: str
) -> None:
    with pytest.raises(SystemExit) as end:
        fail("resolve-plan", error)
    assert end.value.code == 1
    assert capsys.readouterr().err == "error: a rule; a remedy\n"
    assert problems(folder) == [Problem("resolve-plan", kind, "a rule; a remedy")]  # type: ignore[arg-type]
    assert [path.name for path in folder.iterdir()] == [f"resolve-plan-{os.getpid()}.json"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("zebra"), "KeyError: 'zebra'"),
        (RuntimeError(), "RuntimeError"),
        (OSError("no http://me:secret@host"), "OSError: no http://me@host"),
    ],
)
def test_a_crash_ends_with_a_sentence_after_its_traceback(
    folder: Path, capsys: pytest.CaptureFixture[str], error: Exception, reason: str
) -> None:
    with pytest.raises(SystemExit) as end:
        fail("train-trial", error)
    assert end.value.code == 1
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first == "Traceback (most recent call last):"
    assert last == f"error: the step train-trial failed with {reason}; see the traceback above"
    assert problems(folder) == [Problem("train-trial", "crash", reason)]


def test_sigterm_is_not_a_problem(folder: Path) -> None:
    with pytest.raises(SystemExit) as end:
        fail("train-trial", SystemExit(143))
    assert end.value.code == 143
    assert problems(folder) == []


def test_nothing_is_written_without_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(PROBLEMS_FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        fail("resolve-plan", UserError("a rule; a remedy"))
    assert capsys.readouterr().err == "error: a rule; a remedy\n"
    assert list(tmp_path.iterdir()) == []


def test_problems_come_oldest_first(tmp_path: Path) -> None:
    for number, step in enumerate(("z-step", "a-step")):
        file = Problem(step, "crash", "KeyError").write(tmp_path)
        os.utime(file, (number, number))
    (tmp_path / ".c-step-1.json.2.part.json").write_text("half a fi")
    assert [problem.step for problem in problems(tmp_path)] == ["z-step", "a-step"]


def test_a_folder_that_cannot_be_made_hides_no_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(PROBLEMS_FOLDER, str(tmp_path / "file" / "problems"))
    with pytest.raises(SystemExit):
        fail("train-trial", UserError("a rule; a remedy"))
    assert capsys.readouterr().err == "error: a rule; a remedy\n"


COMPONENT = """
def step(error: str) -> str:
    from common.errors import UserError
    from components.shared.problem import TooManyFailed, reporting

    with reporting("find-finished"):
        print("printed and not flushed")
        try:
            [][0]
        except IndexError as cause:
            raise {"UserError": UserError, "TooManyFailed": TooManyFailed}.get(error, OSError)(
                "no http://me:secret@host; a remedy"
            ) from cause
"""


def log_of_step(tmp_path: Path, error: str) -> tuple[int, list[str]]:
    """Run a component as a pod does, by kfp's executor, and return its exit code and the lines of its log."""
    (tmp_path / "step.py").write_text(COMPONENT)
    outputs = {"parameters": {"Output": {"outputFile": str(tmp_path / "o")}}, "outputFile": str(tmp_path / "out.json")}
    inputs = {"inputs": {"parameterValues": {"error": error}}, "outputs": outputs}
    command = [sys.executable, "-m", "kfp.dsl.executor_main", "--component_module_path", str(tmp_path / "step.py")]
    command += ["--executor_input", json.dumps(inputs), "--function_to_execute", "step"]
    environment = {key: value for key, value in os.environ.items() if key != PROBLEMS_FOLDER}
    environment |= {"_KFP_RUNTIME": "true", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    return ended.returncode, ended.stdout.splitlines()


@pytest.mark.parametrize("error", ["UserError", "TooManyFailed"])
def test_the_log_of_a_step_ends_with_its_sentence_alone(tmp_path: Path, error: str) -> None:
    code, lines = log_of_step(tmp_path, error)
    assert code == 1
    assert lines[-2:] == ["printed and not flushed", "error: no http://me@host; a remedy"]
    assert not any("Traceback" in line for line in lines)


def test_the_log_of_a_crash_ends_with_a_sentence_too(tmp_path: Path) -> None:
    code, lines = log_of_step(tmp_path, "OSError")
    assert code == 1
    start = lines.index("printed and not flushed")
    assert lines[start + 1].startswith("Traceback")
    end = "error: the step find-finished failed with OSError: no http://me@host; a remedy; see the traceback above"
    assert lines[-1] == end
    assert "IndexError: list index out of range" in lines
    assert not any("secret" in line or "executor" in line for line in lines[start:])
