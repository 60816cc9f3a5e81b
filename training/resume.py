"""Resume checkpoints: everything that a later process needs to continue an interrupted training run exactly.

A resume checkpoint is one file, `000000120-<sha256 of its content, 16 digits>.pt`. It is written under a temporary name, synced and
renamed, so it is either complete or absent. It is read only if its content has the checksum in its name. This module imports torch
inside functions, because the step that only asks for the number of finished steps works without torch.
"""

import hashlib
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

KEPT = 2
SAVE_EVERY_S = 30.0
LEAST_INTERVAL = 100  # in durations of a save: saving takes at most one percent of the time
ABANDONED_S = 3600.0  # a temporary file of this age belongs to a process that was killed


class ResumeCheckpoints:
    """The resume checkpoints of one training run in its own folder. The last two are kept."""

    def __init__(self, folder: Path, every_s: float = SAVE_EVERY_S) -> None:
        self.folder, self.every_s = folder, every_s
        self._due_at = time.monotonic() + every_s

    def due(self) -> bool:
        """Return whether the next save is due: every `every_s` seconds, or less often if a save is slow."""
        return time.monotonic() >= self._due_at

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Save the state after `step` steps: tensors, numbers, texts, and lists and dictionaries of them."""
        import torch

        started = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f".{os.getpid()}.part"
        with temporary.open("wb") as file:
            hashed = _Hashed(file)
            torch.save(dict(state), hashed)  # type: ignore[arg-type]  # it only calls write and flush
            os.fsync(file.fileno())
        temporary.replace(self.folder / f"{step:09d}-{hashed.digest}.pt")
        _sync(self.folder)
        for path in _files(self.folder)[:-KEPT]:
            path.unlink(missing_ok=True)
        ended = time.monotonic()
        self._due_at = ended + max(self.every_s, LEAST_INTERVAL * (ended - started) if self.every_s else 0)

    def newest(self, fault: Callable[[dict[str, Any]], str | None] = lambda _: None) -> dict[str, Any] | None:
        """Return the newest state that is usable, with tensors on the CPU, or None. Warns about others, and removes them.

        `fault` returns why an undamaged state cannot be used, in a few words; None if it can.
        """
        self._sweep()
        for path in reversed(_files(self.folder)):
            state, reason = _read(path, fault)
            if state is not None:
                return state
            warnings.warn(
                f"{path} is damaged ({reason}); the state before it is used, or training starts anew", stacklevel=2
            )
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return None

    def _sweep(self) -> None:
        for path in self.folder.glob(".*.part"):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink(missing_ok=True)


def newest_step(folder: Path) -> int | None:
    """Return the number of finished steps in the newest resume checkpoint of a folder, or None."""
    files = _files(folder)
    return int(files[-1].stem.partition("-")[0]) if files else None


@contextmanager
def sigterm_noted() -> Iterator[Callable[[], bool]]:
    """Within the block, SIGTERM does not interrupt. The yielded function returns whether SIGTERM arrived."""
    received: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGTERM, previous)


class _Hashed:
    """A file that is written once, from start to end, and has the checksum of its content."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._sha256.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> str:
        return self._sha256.hexdigest()[:16]


def _files(folder: Path) -> list[Path]:
    """Return the files from the oldest to the newest."""
    return sorted(folder.glob("[0-9]*-*.pt"))


def _read(path: Path, fault: Callable[[dict[str, Any]], str | None]) -> tuple[dict[str, Any] | None, str | None]:
    """Return the state in a file, or None and why it cannot be used."""
    import torch

    try:
        if _digest(path) != path.stem.partition("-")[2]:
            return None, "its checksum differs"
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        reason = fault(state)
    except Exception as error:  # a file that is not what we write can fail anywhere
        return None, f"it cannot be read: {type(error).__name__}"
    return (None, reason) if reason else (state, None)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _sync(folder: Path) -> None:
    """Write the folder itself to disk; without this, a power failure can undo a rename."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
