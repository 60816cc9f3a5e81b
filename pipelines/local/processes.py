"""Process groups that end together, and signal handlers for the time in which they end."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

GRACE_S = 20.0  # between SIGTERM and SIGKILL


def end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a process that leads a group, with the whole group: by SIGTERM, and by SIGKILL after `GRACE_S` seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if _group_ends(process):
            break


def _group_ends(process: "subprocess.Popen[bytes]") -> bool:
    """Wait until no process of the group is left. Return False if there still are some after `GRACE_S` seconds."""
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        process.poll()
        if not _group_lives(process.pid):
            return True
        time.sleep(0.1)
    return False


def _group_lives(group: int) -> bool:
    """Return whether a process of the group still runs. Zombies do not count."""
    if not Path("/proc/self/stat").exists():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, 0)
            return True
        return False
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(") ")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


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
    """Ignore Ctrl-C and SIGTERM, so that they cannot interrupt the clean-up."""
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
