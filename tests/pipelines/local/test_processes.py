"""Groups of processes: nothing of them is left 5 s after the end of whoever started them, whatever has killed it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_end import runs, wait_for

from pipelines.local.leftovers import end_processes, processes_of
from pipelines.local.processes import GRACE_S, end_group, has_ended, has_ended_within, start_group
from pipelines.local.workspace import Workspace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="parents' deaths are seen on Linux only")
ROOT = Path(__file__).parents[3]
LATEST_S = 5.0
NOTE = "open(sys.argv[1] + '/' + name, 'w').write(str(os.getpid()))"
STUBBORN = f"import os, signal, sys, time; signal.signal(15, signal.SIG_IGN); name = 'child'; {NOTE}; time.sleep(600)"
LEADER = f"""
import os, subprocess, sys, time
from pipelines.local.processes import lead_group
lead_group()
child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}, sys.argv[1]])
while not os.path.exists(sys.argv[1] + "/child"): time.sleep(0.01)
name = "leader"; {NOTE}
time.sleep(600)
"""
PARENT = f"""
import os, sys, time
from pipelines.local.processes import start_group
process = start_group([sys.executable, "-c", {LEADER!r}, sys.argv[1]])
name = "parent"; {NOTE}
time.sleep(600)
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[dict[str, int]]:
    """A parent, the leader of a group, and a child of it that ignores SIGTERM: their process ids."""
    process = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT)
    names = ("parent", "leader", "child")
    wait_for(lambda: all((tmp_path / name).is_file() and (tmp_path / name).read_text() for name in names), 60)
    found = {name: int((tmp_path / name).read_text()) for name in names}
    yield dict(found)
    process.kill()
    process.wait()
    for pid in filter(runs, found.values()):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("victim", ["parent", "leader"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_a_killed_parent_for_long(started: dict[str, int], victim: str, number: int) -> None:
    if (victim, number) == ("leader", signal.SIGKILL):
        pytest.skip("its parent ends the group then: the next test")
    os.kill(started.pop(victim), number)
    started.pop("parent", None)
    wait_for(lambda: not any(map(runs, started.values())), LATEST_S)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_parent_ends_the_group_whatever_its_leader_did(tmp_path: Path, number: int | None) -> None:
    process = start_group([sys.executable, "-c", LEADER, str(tmp_path)], cwd=ROOT)
    wait_for(lambda: (tmp_path / "leader").is_file(), 60)
    if number == signal.SIGKILL:
        process.kill()
        wait_for(lambda: has_ended(process), 5)
    elif number:
        process.send_signal(number)
    child, begun = int((tmp_path / "child").read_text()), time.monotonic()
    assert runs(child)
    end_group(process)
    assert not runs(child)
    assert time.monotonic() - begun < GRACE_S + 1
    assert process.returncode is not None
    end_group(process)  # a second time changes nothing


def test_a_guard_ends_all_that_its_command_has_started(tmp_path: Path) -> None:
    """As of MLflow's server, whose own processes do not notice that it is gone."""
    starts = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STUBBORN!r}, sys.argv[1]])"
    command = [sys.executable, "-m", "pipelines.local.guard", sys.executable, "-c", starts, str(tmp_path)]
    code = "import sys, time; from pipelines.local.processes import start_group; start_group(sys.argv[1:]); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code, *command], cwd=ROOT) as parent:
        wait_for(lambda: (tmp_path / "child").is_file() and (tmp_path / "child").read_text(), 60)
        child = int((tmp_path / "child").read_text())
        parent.kill()
    wait_for(lambda: not runs(child), LATEST_S)


def test_processes_of_a_killed_run_are_found_by_their_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.local.leftovers.PATIENCE_S", 0.2)
    mine, other = Workspace(tmp_path / "mine"), Workspace(tmp_path / "mine-too")
    sleeps = [
        subprocess.Popen(["sleep", "600"], env=os.environ | {"ABLATE_PROBLEMS": str(workspace.problems)})
        for workspace in (mine, other)
    ]
    assert processes_of(mine) == [sleeps[0].pid]
    end_processes(mine)
    assert sleeps[0].wait(5) == -signal.SIGKILL
    assert sleeps[1].poll() is None
    sleeps[1].kill()
    sleeps[1].wait()


def test_the_end_of_a_child_is_seen_at_once_and_leaves_it_uncollected() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert not has_ended_within(process, 0.05)
        started = time.monotonic()
        assert process.stdin is not None
        process.stdin.close()
        assert has_ended_within(process, 60)
        assert time.monotonic() - started < 30
        assert process.returncode is None
        assert has_ended_within(process, 60)
