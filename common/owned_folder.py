"""Temporary folders with an owner. A folder whose owner was killed is removed by the next process that makes one like it.

The owner holds a lock on its folder, which ends with the process, however it ends. So nothing of a living process is removed.
A folder of another boot or machine may be on a file system whose locks are not seen here: it is removed if it is not locked and
nothing in it has changed for a day.
"""

import fcntl
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")
_OTHER_MACHINE_S = 86_400.0


@contextmanager
def owned_folder(parent: Path, prefix: str, suffix: str = "") -> Iterator[Path]:
    """Yield a new private folder, named PREFIX...SUFFIX, in `parent`; remove it when the block ends.

    Folders with the same prefix and suffix whose owners are dead are removed first. A folder that the block moves elsewhere
    stays there. Raises OSError.
    """
    sweep(parent, prefix, suffix)
    folder, lock = _create(parent, prefix, suffix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def sweep(parent: Path, prefix: str = "", suffix: str = "") -> None:
    """Remove the folders of `parent` that `owned_folder` made for a process of this user that is dead now."""
    pattern = re.compile(f"{re.escape(prefix)}.*?(?P<boot>[0-9a-f]{{8}})-[a-z0-9_]{{8}}{re.escape(suffix)}", re.DOTALL)
    with suppress(OSError):
        for path in parent.iterdir():
            if found := pattern.fullmatch(path.name):
                with suppress(OSError):  # its owner lives, or another process removes it
                    _remove_if_abandoned(path, found["boot"])


def _create(parent: Path, prefix: str, suffix: str) -> tuple[Path, int]:
    """Return a new folder and its lock. A sweep between the two calls can remove the folder: then make another one."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{_boot()}-", suffix=suffix, dir=parent))
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            with suppress(OSError):  # a file system without locks, where nothing is swept either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_at(folder, lock):
                return folder, lock
            os.close(lock)


def _remove_if_abandoned(folder: Path, boot: str) -> None:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = os.fstat(lock).st_uid == os.getuid()
        if mine and _is_at(folder, lock) and (boot == _boot() or _unchanged_s(folder) > _OTHER_MACHINE_S):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _is_at(folder: Path, descriptor: int) -> bool:
    """Return True if the path still names the folder that is open."""
    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and os.path.samestat(found, os.fstat(descriptor))


def _unchanged_s(folder: Path) -> float:
    """Return the seconds since the last change of the folder or of anything in it."""
    return time.time() - max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))


@lru_cache
def _boot() -> str:
    """Return eight hex digits that are the same for all processes since this machine has started."""
    try:
        text = _BOOT_FILE.read_text()
    except OSError:  # not Linux
        text = f"{os.uname().nodename}"
    return sha256(text.encode()).hexdigest()[:8]
