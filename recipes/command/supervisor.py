"""The program around a command: it leads the command's group of processes and leaves none of them behind.

`python -I -S supervisor.py PARENT GRACE_S MARK WORD...` runs the words as a command. It ends on SIGTERM and when PARENT ends, also
if PARENT is killed: then the group gets SIGTERM, and `GRACE_S` seconds later SIGKILL. When the command has ended, processes that it
left behind are killed. One that left the group is found by MARK, a variable of its environment. The exit code is the command's, and
a signal that ended the command ends this program, too. Imports the standard library only.
"""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
MARK = "ABLATE_COMMAND"
NOT_STARTED = 127  # as shells say it


def _main(parent: str, grace_s: str, mark: str, *command: str) -> int:
    ended_by: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended_by.append(1))
    _end_with(int(parent))
    _adopt()
    os.environ[MARK] = mark
    try:
        process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, preexec_fn=_child)
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return NOT_STARTED
    code = None
    while code is None and not ended_by:
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(0.05)
    if code is None:
        _signal(process.pid, signal.SIGTERM, mark)
        until = time.monotonic() + float(grace_s)
        while time.monotonic() < until and (process.poll() is None or _left(process.pid, mark)):
            time.sleep(0.02)
    for _ in range(5):  # a process may start others while it is killed
        if process.poll() is not None and not _left(process.pid, mark):
            break
        _signal(process.pid, signal.SIGKILL, mark)
        time.sleep(0.02)
        _collect(process)
    _collect(process)
    return process.wait()


def _adopt() -> None:
    """Let processes whose parent has ended become children of this program, so that they can be collected."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _collect(process: "subprocess.Popen[bytes]") -> None:
    """Collect ended processes that were left behind: the first process of a container may never do it."""
    with suppress(ChildProcessError):
        while process.poll() is not None and os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _child() -> None:
    """In the command's process: the kernel kills it if this program is killed, and handlers of signals are the usual ones."""
    _when_parent_ends(signal.SIGKILL)


def _when_parent_ends(number: int) -> None:
    """Let the kernel send a signal to this process when its parent ends. Only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def _end_with(parent: int) -> None:
    _when_parent_ends(signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def _signal(group: int, number: int, mark: str) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
    for pid in _left(group, mark):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _left(group: int, mark: str) -> list[int]:
    """Return the processes of the command that run: those of its group, and those that have the mark."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if fields[0] in "ZX" or int(folder.name) == os.getpid():
                continue
            if int(fields[2]) == group or wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def _leave(code: int) -> None:
    """Exit as the command did."""
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    _leave(_main(*sys.argv[1:]))
