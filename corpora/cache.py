"""The folder of prepared corpora as a cache with a size bound: least recently used ones go first, none that is in use.

A corpus is in use while a process has it open (a shared lock on its folder), while a run holds a link to it, and in the first
minute after it was asked for. The bound is ABLATE_CORPORA_CACHE_GB; without it nothing is ever removed.
"""

import fcntl
import hashlib
import os
import shutil
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from common.errors import UserError
from corpora.layout import HEAD

BOUND = "ABLATE_CORPORA_CACHE_GB"
PART, GONE = ".part", ".gone"  # a download that goes on later; a folder that is being removed
_LINKS = ".links"
_FRESH_S = 60.0  # a run that was just given a folder has had no time to link or open it


def has(path: Path) -> bool:
    """Whether a whole corpus is there; if so, it counts as used now."""
    if not (path / HEAD).is_file():
        return False
    with suppress(OSError):  # somebody else's folder, or a read-only one: then its age is not ours to change
        os.utime(path)
    return True


def bound() -> int | None:
    """Bytes that the cache may hold; None for no bound. Raises UserError."""
    text = os.environ.get(BOUND)
    if not text:
        return None
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 < gigabytes < float("inf"):
        raise UserError(f"{BOUND} is a number of gigabytes above 0, got {text!r}; leave it out for no bound")
    return int(gigabytes * 1e9)


def make_room(root: Path, wanted: int, *, for_what: str) -> None:
    """Remove least recently used corpora until `wanted` bytes more keep to the bound.

    Raises UserError, before anything is removed, where what is in use leaves too little room, or the disk does.
    """
    limit = bound()
    if limit is not None:
        fixed = sum(_size(path) for path in _folders(root) if in_use(path))
        if fixed + wanted > limit:
            raise UserError(
                f"prepared corpora may take {limit / 1e9:g} GB ({BOUND}); {for_what} needs {wanted / 1e9:.3g} GB more, and those "
                f"in use take {fixed / 1e9:.3g} GB: allow more, or wait for other runs"
            )
        shrink(root, limit - wanted)
    if wanted > (free := shutil.disk_usage(root).free):
        raise UserError(
            f"{for_what} needs {wanted / 1e9:.3g} GB in {root}, where {free / 1e9:.3g} GB are free: make room"
        )


def shrink(root: Path, limit: int) -> None:
    """Remove idle corpora, least recently used first, until all together have at most `limit` bytes, or none is idle."""
    sizes = {path: _size(path) for path in _folders(root)}
    total = sum(sizes.values())
    for path in sorted(sizes, key=lambda path: (path.suffix != GONE, path.stat().st_mtime)):
        if total > limit and not in_use(path) and _remove(path):
            total -= sizes[path]


def in_use(path: Path) -> bool:
    """Whether somebody needs the folder now."""
    if path.suffix != PART and time.time() - path.stat().st_mtime < _FRESH_S:
        return True
    return _is_linked(path) or _is_locked(path)


def link(path: Path, at: Path) -> None:
    """Give a run the corpus as a link, which keeps it in the cache for as long as the link is there."""
    at.symlink_to(path.resolve(), target_is_directory=True)
    links = path.parent / _LINKS / path.name
    with suppress(OSError):  # a cache that cannot be written to is not tidied up either
        links.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(str(at.absolute()).encode()).hexdigest()[:16]
        (links / name).symlink_to(at.absolute())


def hold(path: Path, owner: object) -> None:
    """Keep the folder in use for as long as the owner lives."""
    descriptor = os.open(path, os.O_RDONLY)
    weakref.finalize(owner, os.close, descriptor)
    with suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_SH)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Create the folder and keep all others from it; waits for whoever has it."""
    path.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        path.mkdir(exist_ok=True)  # whoever had it may have moved it away
        yield
    finally:
        os.close(descriptor)


def _folders(root: Path) -> list[Path]:
    folders = [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
    return [path for path in folders if path.suffix in (PART, GONE) or (path / HEAD).is_file()]


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _is_linked(path: Path) -> bool:
    """Whether a run's link is still there; forgets those that are not."""
    links = path.parent / _LINKS / path.name
    for entry in links.iterdir() if links.is_dir() else ():
        if os.path.lexists(entry.readlink()):
            return True
        entry.unlink(missing_ok=True)
    return False


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _remove(path: Path) -> bool:
    """False if somebody has begun to use it meanwhile. A corpus disappears at once, however long its files take."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        gone = path if path.suffix == GONE else path.with_name(f".{path.name.lstrip('.')}{GONE}")
        path.rename(gone)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    shutil.rmtree(gone, ignore_errors=True)
    shutil.rmtree(path.parent / _LINKS / path.name, ignore_errors=True)
    return True
