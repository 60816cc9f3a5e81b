"""Problems of steps: what is written, printed and raised, with real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import UserError
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
    [(UserError("a rule;\n a remedy"), "bad_input"), (TooManyFailed("a rule; a remedy"), "too_many_failed")],
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
def test_a_crash_is_recorded_redacted_and_raised_again(folder: Path, error: Exception, reason: str) -> None:
    with pytest.raises(type(error)) as raised:
        fail("train-trial", error)
    assert raised.value is error
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


def test_a_folder_that_cannot_be_made_hides_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(PROBLEMS_FOLDER, str(tmp_path / "file" / "problems"))
    with pytest.raises(KeyError):
        fail("train-trial", KeyError("zebra"))


@pytest.mark.parametrize(("raised", "traceback"), [("UserError('a rule')", False), ("KeyError('zebra')", True)])
def test_only_a_crash_prints_a_traceback(tmp_path: Path, raised: str, traceback: bool) -> None:
    code = "from common.errors import UserError\nfrom components.shared.problem import reporting\n"
    code += f"with reporting('find-finished'):\n    raise {raised}\n"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, PROBLEMS_FOLDER: str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert ("Traceback" in ended.stderr) is traceback
    assert len(problems(tmp_path)) == 1
