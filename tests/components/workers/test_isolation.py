"""Workers, as new interpreters and as forks: the step survives their end and says why they ended."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from process_end import wait_for_end

from components.workers.isolation import FORK_WORKERS, STOP_S, Start, _Ends, chosen_start, forked, fresh

ROOT = Path(__file__).parents[3]
WORKER = """
import os, pathlib, signal, sys, time
from components.workers.isolation import run_worker

def work(request):
    folder = pathlib.Path(request["folder"])
    if request.get("signal"):
        os.kill(os.getpid(), request["signal"])
    if request.get("raise"):
        raise ValueError(request["raise"])
    try:
        (folder / "pid").write_text(str(os.getpid()))
        time.sleep(request.get("sleep", 0))
    finally:
        (folder / "tidy").touch()
    (folder / "answer").write_text(request["text"])

if __name__ == "__main__":
    run_worker(work)
"""


STARTS = pytest.mark.parametrize("start", [fresh, forked], ids=["fresh", "forked"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a worker to run, which `python -m` and a fork find."""
    (tmp_path / "some_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def run(start: Start, folder: Path, **request: object) -> str | None:
    with start("some_worker") as call:
        return call({"folder": str(folder), "text": "", **request})


@STARTS
def test_work_that_goes_well_has_no_reason(folder: Path, start: Start) -> None:
    assert run(start, folder, text="größer") is None
    assert (folder / "answer").read_text() == "größer"


@STARTS
@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"signal": signal.SIGKILL}, r"killed \(SIGKILL\), as happens when memory runs out; use a smaller batch"),
        ({"signal": signal.SIGSEGV}, "ended by SIGSEGV; see the log"),
        ({"raise": "no"}, "ended with exit code 1; see the log"),
    ],
    ids=["killed", "crashed", "raised"],
)
def test_work_that_ends_badly_is_a_sentence(
    folder: Path, start: Start, request_: dict[str, object], reason: str
) -> None:
    found = run(start, folder, **request_)
    assert found is not None
    assert re.search(reason, found)
    assert not (folder / "answer").exists()


@pytest.mark.parametrize("forks", ["0", "1"])
def test_sigterm_ends_the_worker_before_the_step(folder: Path, forks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORK_WORKERS, forks)
    request = {"folder": str(folder), "text": "", "sleep": 60}
    code = "from components.workers.isolation import chosen_start\n"
    code += f"with chosen_start()('some_worker') as run: run({request!r})"
    step = subprocess.Popen([sys.executable, "-c", code])
    while not (folder / "pid").is_file() or not (folder / "pid").read_text():
        time.sleep(0.05)
    step.send_signal(signal.SIGTERM)
    assert step.wait(30) == 128 + signal.SIGTERM
    assert (folder / "tidy").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


@pytest.mark.parametrize("start", ["fresh", "forked"])
@pytest.mark.parametrize("fails", [False, True], ids=["", "a call that fails"])
def test_sigterm_calls_on_stop_while_the_worker_still_runs(folder: Path, start: str, fails: bool) -> None:
    """A cluster kills everything within a second, so what must be said is said first."""
    request = {"folder": str(folder), "text": "", "sleep": 60}
    code = (
        f"import os, pathlib; from components.workers.isolation import {start} as start\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "def on_stop():\n"
        "    os.kill(int((folder / 'pid').read_text()), 0)\n"
        "    (folder / 'told').write_text(str((folder / 'tidy').exists()))\n"
        f"    if {fails}: raise OSError('MLflow is away')\n"
        f"with start('some_worker', on_stop=on_stop) as run: run({request!r})"
    )
    step = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    while not (folder / "pid").is_file() or not (folder / "pid").read_text():
        time.sleep(0.05)
    step.send_signal(signal.SIGTERM)
    _, said = step.communicate(timeout=60)
    assert (folder / "told").read_text() == "False"
    assert (folder / "tidy").exists()
    assert (step.returncode, "MLflow is away" in said) == ((1, True) if fails else (143, False))


@pytest.mark.parametrize("start", ["fresh", "forked"])
def test_a_worker_that_ignores_sigterm_is_killed(folder: Path, start: str) -> None:
    """As one in a long call of a library, which no signal interrupts."""
    body = "import pathlib, os, signal, time\ndef work(request):\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    body += "    pathlib.Path(request['folder'], 'pid').write_text(str(os.getpid()))\n    time.sleep(600)\n"
    body += (
        "if __name__ == '__main__':\n    from components.workers.isolation import run_worker\n    run_worker(work)\n"
    )
    (folder / "deaf_worker.py").write_text(body)
    code = f"from components.workers.isolation import {start} as start\n"
    code += f"with start('deaf_worker') as run: run({{'folder': {str(folder)!r}}})"
    with subprocess.Popen([sys.executable, "-c", code]) as step:
        while not (folder / "pid").is_file() or not (folder / "pid").read_text():
            time.sleep(0.05)
        begun = time.monotonic()
        step.send_signal(signal.SIGTERM)
        assert step.wait(30) == 128 + signal.SIGTERM
        assert STOP_S <= time.monotonic() - begun < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


@pytest.mark.parametrize("start", ["fresh", "forked"])
def test_a_worker_ends_with_its_killed_step(folder: Path, start: str) -> None:
    code = f"from components.workers.isolation import {start} as start\n"
    code += f"with start('some_worker') as run: run({{'folder': {str(folder)!r}, 'text': '', 'sleep': 600}})"
    with subprocess.Popen([sys.executable, "-c", code]) as step:
        while not (folder / "pid").is_file() or not (folder / "pid").read_text():
            time.sleep(0.05)
        step.kill()
    wait_for_end(int((folder / "pid").read_text()), 5)


def test_the_end_of_a_collected_process_is_known() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
        assert _Ends(process.pid).within(60)


@STARTS
def test_on_stop_is_not_called_otherwise(folder: Path, start: Start) -> None:
    with start("some_worker", on_stop=lambda: pytest.fail("called")) as call:
        assert call({"folder": str(folder), "text": ""}) is None


@STARTS
def test_the_signal_handler_of_before_is_back(folder: Path, start: Start) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run(start, folder)
    assert signal.getsignal(signal.SIGTERM) is before


def test_only_steps_of_the_fork_server_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FORK_WORKERS, raising=False)
    assert chosen_start() is fresh
    monkeypatch.setenv(FORK_WORKERS, "1")
    assert chosen_start() is forked


def test_a_fork_happens_before_the_block_and_only_once(folder: Path) -> None:
    before = children()
    with forked("some_worker") as call:
        [standby] = children() - before
        assert call({"folder": str(folder), "text": ""}) is None
        assert int((folder / "pid").read_text()) == standby
        assert call({"folder": str(folder), "text": ""}) is None
        assert int((folder / "pid").read_text()) != standby
    assert children() == before


def test_a_fork_without_a_request_exits(folder: Path) -> None:
    before = children()
    with forked("some_worker"):
        assert len(children() - before) == 1
    assert children() == before
    assert not (folder / "pid").exists()


@pytest.mark.usefixtures("folder")
def test_several_processes_are_not_forked() -> None:
    before = children()
    with forked("some_worker", 2):
        assert children() == before


def test_a_fork_that_died_while_it_waited_is_reported(folder: Path) -> None:
    before = children()
    with forked("some_worker") as call:
        [standby] = children() - before
        os.kill(standby, signal.SIGKILL)
        assert "killed (SIGKILL)" in str(call({"folder": str(folder), "text": ""}))


def children() -> set[int]:
    text = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return {int(number) for number in text.split()}
