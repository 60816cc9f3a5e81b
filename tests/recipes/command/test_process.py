"""A command ends in every way that programs end: the reason is one sentence, and nothing of it keeps running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.command import output
from recipes.command.process import CommandFailed, run

START_S = 2.0  # a busy machine needs this for the start of an interpreter
SAY_PID = "import os, sys, time; open('pid', 'a').write(f'{os.getpid()}\\n'); "


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recipes.command.process.GRACE_S", 0.4)
    monkeypatch.setattr("recipes.command.process.LOOK_S", 0.1)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run_here(folder: Path, code: str, **options: object) -> list[str]:
    """Run Python code as a command, and return what it printed."""
    said: list[str] = []
    run(python(code), folder, {}, stage="train", say=said.append, **options)  # type: ignore[arg-type]
    return said


def failure(folder: Path, code: str, **options: object) -> str:
    with pytest.raises(CommandFailed) as caught:
        run_here(folder, code, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def alive(folder: Path) -> list[int]:
    """Processes that wrote their id to `pid` and still run, or were not collected."""
    return [int(pid) for pid in (folder / "pid").read_text().split() if Path(f"/proc/{pid}").exists()]


def test_output_and_variables_reach_each_other(tmp_path: Path) -> None:
    said: list[str] = []
    code = "import os, sys; print(os.environ['X'], os.getcwd()); print('err', file=sys.stderr)"
    run(python(code), tmp_path, {"X": "a b"}, stage="train", say=said.append)
    assert sorted(said) == [f"a b {tmp_path}", "err"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('no such key')", "`train` ended with exit code 1: ValueError: no such key"),
        ("import sys; print('what went wrong'); sys.exit(3)", "exit code 3: what went wrong"),
        ("import sys; sys.exit(7)", "exit code 7, and it printed nothing"),
        ("import os; os.kill(os.getpid(), 9)", "was killed \\(SIGKILL\\), as happens when memory runs out"),
        ("import os; os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
        ("import os; os.abort()", "was ended by SIGABRT"),
        ("import os; os.write(2, b'50%\\r100%\\r\\x1b[31mred\\x1b[0m \\xff'); os._exit(1)", "50% / 100% / red \ufffd"),
    ],
    ids=["exception", "exit code", "silent", "SIGKILL", "SIGSEGV", "abort", "progress bar"],
)
def test_a_failure_is_a_sentence(tmp_path: Path, code: str, said: str) -> None:
    import re

    assert re.search(said, failure(tmp_path, code))


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no-such-program cannot be started: No such file or directory"):
        run(["no-such-program", "x"], tmp_path, {}, stage="train")


def test_secrets_do_not_reach_log_or_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "hush-hush-1")
    code = "import os, sys; print(os.environ['MY_API_TOKEN']); sys.exit(os.environ['MY_API_TOKEN'])"
    said: list[str] = []
    with pytest.raises(CommandFailed) as caught:
        run(python(code), tmp_path, {}, stage="train", say=said.append)
    assert "hush" not in str(caught.value) + "".join(said)


def test_a_command_that_hangs_ends_at_its_timeout(tmp_path: Path) -> None:
    started = time.monotonic()
    text = failure(tmp_path, SAY_PID + "print('at work', flush=True); time.sleep(60)", hours=START_S / 3600)
    assert "`train` may take 2 s (`timeouts`) and was ended after that: at work" in text
    assert (time.monotonic() - started < START_S + 4.5, alive(tmp_path)) == (True, [])


def test_a_command_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = SAY_PID + "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    assert "was ended after that" in failure(tmp_path, code, hours=START_S / 3600)
    assert alive(tmp_path) == []


BOTH = "while len(open('pid').read().split()) < 2: time.sleep(0.02)"


@pytest.mark.parametrize("away", ["", "os.setsid(); "], ids=["in the group", "in a session of its own"])
@pytest.mark.parametrize("end", ["sys.exit(0)", "time.sleep(60)"], ids=["it ends", "it is ended"])
def test_children_are_not_left_behind(tmp_path: Path, away: str, end: str) -> None:
    code = SAY_PID + f"\nif os.fork() == 0:\n  {away}{SAY_PID}time.sleep(60)\n{BOTH}\n{end}"
    started = time.monotonic()
    if "exit" in end:
        run_here(tmp_path, code)
    else:
        failure(tmp_path, code, hours=START_S / 3600)
    assert (len((tmp_path / "pid").read_text().split()), alive(tmp_path)) == (2, [])
    assert time.monotonic() - started < START_S + 7.2


def test_much_output_fills_neither_log_nor_memory(tmp_path: Path) -> None:
    said = run_here(
        tmp_path, "text = ('x' * 99 + '\\n') * 10_000\nfor _ in range(100): print(text, end='')\nprint('the end')"
    )
    text = "\n".join(said)
    assert len(text) < output.HEAD_BYTES + 2 * output.TAIL_BYTES
    assert "of 100,000,008 bytes of output are left out here]" in text
    assert text.rstrip().endswith("the end")


def test_a_line_without_an_end_is_bounded(tmp_path: Path) -> None:
    said = run_here(tmp_path, "import sys\nfor _ in range(300): sys.stdout.write('y' * 100_000)")
    assert sum(map(len, said)) < output.HEAD_BYTES + 2 * output.TAIL_BYTES


def test_short_output_is_complete(tmp_path: Path) -> None:
    said = run_here(tmp_path, "for n in range(2000): print(n)")
    assert "\n".join(said).split() == [str(n) for n in range(2000)]


STAND_IN = """
import sys
from pathlib import Path
from components.workers.signals import exit_on_sigterm
from recipes.command.process import run
exit_on_sigterm()
run([sys.executable, "-c", sys.argv[2]], Path(sys.argv[1]), {}, stage="train")
"""


@pytest.fixture
def worker(tmp_path: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that runs a command with a child, as a worker does."""
    noted = "import signal; signal.signal(15, lambda *_: (open('term', 'w').close(), os._exit(0))); "
    code = SAY_PID + f"{noted}\nif os.fork() == 0:\n  {SAY_PID}\nwhile True: time.sleep(0.05)"
    with subprocess.Popen([sys.executable, "-c", STAND_IN, str(tmp_path), code]) as process:
        until = time.monotonic() + 20
        while time.monotonic() < until and (
            not (tmp_path / "pid").exists() or len((tmp_path / "pid").read_text().split()) < 2
        ):
            time.sleep(0.02)
        time.sleep(0.1)
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_is_ended_takes_the_command_along(
    worker: "subprocess.Popen[bytes]", tmp_path: Path, number: int
) -> None:
    os.kill(worker.pid, number)
    assert worker.wait(10) in (-signal.SIGKILL, 128 + signal.SIGTERM)
    until = time.monotonic() + 5
    while alive(tmp_path) and time.monotonic() < until:
        time.sleep(0.02)
    assert ((tmp_path / "term").exists(), alive(tmp_path)) == (True, [])
