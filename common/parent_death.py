"""Processes that end with the process that started them, also when that one is killed and can do nothing any more.

Linux signals a child when the thread that started it ends (`prctl(PR_SET_PDEATHSIG)`). The setting survives exec, and a fork clears
it. So each process sets it for itself: a fork calls `end_with_parent`, and a program is started through `following`. Start such
children only from the main thread, or from a thread that lives as long as they do. On other systems nothing here has an effect.

This file is also the program that `following` puts before a command, so it imports nothing but the standard library.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
ANY = 0  # for `parent`: whoever started this process


def end_with_parent(number: int = signal.SIGTERM, parent: int = ANY) -> None:
    """Let the kernel send the signal `number` to this process when its parent ends.

    `parent` is the process id of the parent that this process expects. If the parent has ended before, the signal comes at once.
    """
    if sys.platform != "linux":
        return
    before = os.getppid() if parent == ANY else parent
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0):
        return  # a sandbox without this call
    if os.getppid() != before:
        os.kill(os.getpid(), number)


def following(command: Sequence[str], number: int = signal.SIGKILL, parent: int | None = None) -> list[str]:
    """Return the command of a child process of this one that gets the signal `number` when this process ends.

    `parent` is for a command that another process starts: its process id, or ANY.
    """
    if sys.platform != "linux":
        return list(command)
    expected = os.getpid() if parent is None else parent
    return [sys.executable, "-I", "-S", __file__, str(int(number)), str(expected), *command]


def _main(number: str, parent: str, *command: str) -> None:
    end_with_parent(int(number), int(parent))
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
