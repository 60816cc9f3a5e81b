"""Process groups that end together, and signal handlers for the time in which they end.

A group has a leader, which starts all other processes. It ends the group when it gets SIGTERM and when its own parent dies. The
parent of the leader ends the group too, whatever has become of the leader.
"""

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from common.parent_death import following

GRACE_S = 3.5  # between SIGTERM and SIGKILL: nothing is left 5 s after the end of the process that started it
LOOK_EVERY_S = 0.05
ENDING = threading.Event()  # set in the leader once its group ends


def start_group(command: list[str], **options: object) -> "subprocess.Popen[bytes]":
    """Start a process that leads a session and a group, and gets SIGTERM when this process ends.

    Call this from the main thread. The options are those of Popen. The process calls `lead_group` first of all.
    """
    return subprocess.Popen(following(command, signal.SIGTERM), start_new_session=True, **options)  # type: ignore[call-overload]


def lead_group(before: Callable[[], object] = lambda: None) -> None:
    """In the leader: from now on, SIGTERM ends the whole group, with this process. `before` is called first of all."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        ENDING.set()
        for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        with contextlib.suppress(Exception):
            before()
        os.killpg(0, signal.SIGTERM)
        if not _wait_until(lambda: _members(os.getpgrp()) <= {os.getpid()}):
            os.killpg(0, signal.SIGKILL)
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, end)


def has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Return whether a child has ended. It is not collected, so that its group's number is not given to others meanwhile."""
    if process.returncode is not None:
        return True
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def has_ended_within(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Wait for the end of a child, for at most some seconds. Return as `has_ended` does."""
    if has_ended(process):
        return True
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # another system, or a sandbox without this call
        time.sleep(seconds)
        return has_ended(process)
    try:
        select.select([descriptor], [], [], seconds)
    finally:
        os.close(descriptor)
    return has_ended(process)


def end_group(process: "subprocess.Popen[bytes]", grace_s: float = GRACE_S) -> None:
    """End a process that leads a group, with the whole group: by SIGTERM, and by SIGKILL after `grace_s` seconds.

    This can be called after the leader has ended in any way, if nobody has collected it.
    """
    if process.returncode is not None:
        return  # collected, so its group has ended before, or its number may belong to others
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if _wait_until(lambda: not _members(process.pid), grace_s):
            break
    process.wait()


def _wait_until(reached: Callable[[], bool], most_s: float = GRACE_S) -> bool:
    """Wait for at most `most_s` seconds. Return False if they do not suffice."""
    deadline = time.monotonic() + most_s
    while not reached():
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _members(group: int) -> set[int]:
    """Return the processes of a group that still run. Zombies do not count."""
    if not Path("/proc/self/stat").exists():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, 0)
            return {group}
        return set()
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(") ")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.add(int(stat.parent.name))
    return found


@contextlib.contextmanager
def raising_on_signals() -> Iterator[None]:
    """Raise KeyboardInterrupt for SIGTERM and for the loss of the terminal, as for Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ignoring_signals() -> Iterator[None]:
    """Ignore Ctrl-C, SIGTERM and the loss of the terminal, so that they cannot interrupt the clean-up."""
    ignored = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in ignored}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
