"""SIGTERM as SystemExit in steps and workers, so that they clean up before they end."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn


def exit_on_sigterm() -> None:
    """From now on, turn SIGTERM into SystemExit, so that `finally` blocks run."""
    signal.signal(signal.SIGTERM, _leave)


@contextlib.contextmanager
def exiting_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into SystemExit during the block. Once it has arrived, the process ends and ignores it from then on."""
    previous = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is _leave:
            signal.signal(signal.SIGTERM, previous)


def _leave(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the cleanup
    raise SystemExit(128 + number)
