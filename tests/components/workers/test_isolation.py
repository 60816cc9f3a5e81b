"""Work in a process of its own: however that ends, the step lives and can say why."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.workers.isolation import run_isolated

ROOT = Path(__file__).parents[3]
WORKER = """
import os, pathlib, signal, sys, time
from components.workers.isolation import run_worker

def work(request):
    folder = pathlib.Path(request["folder"])
    (folder / "pid").write_text(str(os.getpid()))
    if request.get("signal"):
        os.kill(os.getpid(), request["signal"])
    if request.get("raise"):
        raise ValueError(request["raise"])
    try:
        time.sleep(request.get("sleep", 0))
    finally:
        (folder / "tidy").touch()
    (folder / "answer").write_text(request["text"])

run_worker(work)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a worker to run, which `python -m` finds."""
    (tmp_path / "some_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{ROOT}")
    return tmp_path


def test_work_that_goes_well_has_no_reason(folder: Path) -> None:
    assert run_isolated("some_worker", {"folder": str(folder), "text": "größer"}) is None
    assert (folder / "answer").read_text() == "größer"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"signal": signal.SIGKILL}, r"killed \(SIGKILL\), as happens when memory runs out; use a smaller batch"),
        ({"signal": signal.SIGSEGV}, "ended by SIGSEGV; see the log"),
        ({"raise": "no"}, "ended with exit code 1; see the log"),
    ],
    ids=["killed", "crashed", "raised"],
)
def test_work_that_ends_badly_is_a_sentence(folder: Path, request_: dict[str, object], reason: str) -> None:
    found = run_isolated("some_worker", {"folder": str(folder), "text": "", **request_})
    assert found is not None
    assert re.search(reason, found)
    assert not (folder / "answer").exists()


def test_a_step_that_is_told_to_end_tells_its_worker_and_waits_for_it(folder: Path) -> None:
    request = {"folder": str(folder), "text": "", "sleep": 60}
    code = f"from components.workers.isolation import run_isolated; run_isolated('some_worker', {request!r})"
    step = subprocess.Popen([sys.executable, "-c", code])
    while not (folder / "pid").is_file() or not (folder / "pid").read_text():
        time.sleep(0.05)
    step.send_signal(signal.SIGTERM)
    assert step.wait(30) == 128 + signal.SIGTERM
    assert (folder / "tidy").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


def test_the_signal_handler_of_before_is_back(folder: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run_isolated("some_worker", {"folder": str(folder), "text": ""})
    assert signal.getsignal(signal.SIGTERM) is before
