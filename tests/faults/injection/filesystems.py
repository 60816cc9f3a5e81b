"""Small file systems in memory: full from the start, filled in the middle, read-only. Mounting needs root."""

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

BLOCK = 1 << 16
FILLER = "filler.bin"


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Return whether this process may mount file systems. Containers often forbid it."""
    if os.geteuid() != 0:
        return False
    try:
        with SmallDisk(folder / "trial", 1):
            return True
    except (subprocess.CalledProcessError, OSError):
        return False


@dataclass
class SmallDisk:
    """Context manager: a file system of some MiB at a folder, which is made and whose content is lost at the end."""

    folder: Path
    mebibytes: int

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={self.mebibytes}m", "tmpfs", str(self.folder))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True, capture_output=True)

    def fill(self, but: int = 0) -> None:
        """Take all space that is left, except `but` bytes."""
        with contextlib.suppress(OSError), (self.folder / FILLER).open("wb", buffering=0) as file:
            while True:
                file.write(bytes(BLOCK))
        with contextlib.suppress(OSError), (self.folder / FILLER).open("ab", buffering=0) as file:
            while True:
                file.write(b"\0")
        size = (self.folder / FILLER).stat().st_size
        os.truncate(self.folder / FILLER, max(0, size - but))

    def make_room(self) -> None:
        """Undo `fill`."""
        (self.folder / FILLER).unlink(missing_ok=True)

    def read_only(self, yes: bool) -> None:
        """Forbid or allow writing, for everybody."""
        _mount("-o", f"remount,{'ro' if yes else 'rw'}", str(self.folder))
