"""The end of a process that a test has killed: a signal is sent at once, but a busy machine takes a while to carry it out."""

import time
from collections.abc import Callable
from pathlib import Path


def runs(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except OSError:
        return False


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    """Wait until a condition is true. Fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.02)


def wait_for_end(pid: int, seconds: float) -> None:
    """Wait until a process has ended, collected or not. Fail after `seconds`."""
    wait_for(lambda: not runs(pid), seconds)
