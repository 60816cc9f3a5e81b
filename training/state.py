"""The state of an unfinished training on disk: what a later process needs to go on as if nothing had happened.

A state is one file, `000000120-<sha256 of its content, 16 digits>.pt`. It is written beside, synced and renamed, so that it
appears whole or not at all, and read only if its content still has the checksum in its name. Imports torch where it
is used: the step that looks how far a training has come does without.
"""

import hashlib
import os
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

KEPT = 2
SAVE_EVERY_S = 30.0
LEAST_INTERVAL = 100  # times what a save takes: saving costs at most one percent
ABANDONED_S = 3600.0  # a half-written file of this age belongs to a process that was killed


class States:
    """The states of one training in a folder that is its own; the last two are kept."""

    def __init__(self, folder: Path, every_s: float = SAVE_EVERY_S) -> None:
        self.folder, self.every_s = folder, every_s
        self._due_at = time.monotonic() + every_s

    def due(self) -> bool:
        """Whether it is time for another save: every `every_s` seconds, more seldom where saving is slow."""
        return time.monotonic() >= self._due_at

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Keep tensors, numbers, texts, lists and dictionaries of them as the state after `step` steps."""
        import torch

        started = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f".{os.getpid()}.part"
        with beside.open("wb") as file:
            hashed = _Hashed(file)
            torch.save(dict(state), hashed)  # type: ignore[arg-type]  # of a file it only asks for write and flush
            os.fsync(file.fileno())
        beside.replace(self.folder / f"{step:09d}-{hashed.digest}.pt")
        _sync(self.folder)
        for path in _files(self.folder)[:-KEPT]:
            path.unlink(missing_ok=True)
        ended = time.monotonic()
        self._due_at = ended + max(self.every_s, LEAST_INTERVAL * (ended - started) if self.every_s else 0)

    def newest(self) -> dict[str, Any] | None:
        """The newest state that is sound, its tensors on the CPU; None if there is none. Warns of damaged ones."""
        import torch

        self._sweep()
        for path in reversed(_files(self.folder)):
            if _digest(path) == path.stem.partition("-")[2]:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
                return state
            warnings.warn(f"{path} is damaged (its checksum differs); the state before it is used", stacklevel=2)
        return None

    def clear(self) -> None:
        """Forget all of it: the training has ended."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _sweep(self) -> None:
        for path in self.folder.glob(".*.part"):
            if time.time() - path.stat().st_mtime > ABANDONED_S:
                path.unlink(missing_ok=True)


def newest_step(folder: Path) -> int | None:
    """Steps done in the newest state of a training's folder; None if there is none."""
    files = _files(folder)
    return int(files[-1].stem.partition("-")[0]) if files else None


@contextmanager
def told_to_end() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM interrupts nothing; the call that is yielded says whether it came."""
    told: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
    try:
        yield lambda: bool(told)
    finally:
        signal.signal(signal.SIGTERM, previous)


class _Hashed:
    """A file that is written once from front to back and knows the checksum of what it holds."""

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
    """From the oldest to the newest."""
    return sorted(folder.glob("[0-9]*-*.pt"))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _sync(folder: Path) -> None:
    """A rename survives a power cut only once the folder itself is on disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
