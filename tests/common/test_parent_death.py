"""A process ends with its parent, also when the parent is killed, and when it was dead before."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from process_end import runs, wait_for_end

from common.parent_death import following

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="parents' deaths are seen on Linux only")
ROOT = Path(__file__).parents[2]
FORKS = """
import os, signal, time
from common.parent_death import end_with_parent
parent = os.getpid()
if not os.fork():
    end_with_parent(signal.SIGKILL, parent)
    print(os.getpid(), flush=True)
    time.sleep(600)
time.sleep(600)
"""
STARTS = """
import subprocess, sys, time
from common.parent_death import following
process = subprocess.Popen(following(["sleep", "600"]))
print(process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("code", [FORKS, STARTS], ids=["fork", "program"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_ends_with_its_killed_parent(code: str, number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.2)
        assert runs(child)
        parent.send_signal(number)
        parent.wait()
        wait_for_end(child, 5)


def test_a_child_of_a_parent_that_ended_before_does_nothing(tmp_path: Path) -> None:
    done = tmp_path / "done"
    command = following(["touch", str(done)], parent=os.getppid())  # as if another process had been our parent
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not done.exists()


def test_a_command_keeps_its_arguments_exit_code_and_output() -> None:
    command = following(["sh", "-c", 'echo "$0 $1"; exit 3', "a b", "*"])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "a b *\n")
    missing = subprocess.run(following(["/no/such/program"]), capture_output=True, text=True, check=False)
    assert (missing.returncode, missing.stderr) == (1, "/no/such/program: No such file or directory\n")
