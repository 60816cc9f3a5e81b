"""The folder of prepared corpora as a cache with a size bound. The least recently used corpora go first, and none that is in use.

A corpus is in use while a process has it open (a shared lock on its folder), while a link of a run points to it, and in the first
minute after a process asked for it. A partial download is in use while a process works on it (an exclusive lock on a file). The
bound is ABLATE_CORPORA_CACHE_GB; without it nothing is ever removed.
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

from filelock import FileLock

from common import owned_folder
from common.errors import UserError
from corpora.layout import HEAD
from corpora.record import forget
from corpora.writer import WRITING

BOUND = "ABLATE_CORPORA_CACHE_GB"
PART, GONE = ".part", ".gone"  # a partial download, which continues later; a folder that is being removed
_TEMPORARY = (WRITING, PART, GONE)
_LINKS, _LOCKS = ".links", ".locks"
_FRESH_S = 60.0  # a run that has just received a folder needs time to link or open it


def has(path: Path) -> bool:
    """Return True if a whole corpus is there. The corpus then counts as used now."""
    if not (path / HEAD).is_file():
        return False
    with suppress(OSError):  # the folder of another user, or a read-only one: its age stays
        os.utime(path)
    return True


def bound() -> int | None:
    """Return the bytes that the cache may hold; None without a bound. Raises UserError."""
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
    """Remove the least recently used corpora until `wanted` more bytes keep the bound.

    Raises UserError, before anything is removed, if the corpora in use or the disk leave too little room.
    """
    limit = bound()
    if limit is not None:
        fixed = sum(size(path) for path in folders(root) if in_use(path))
        if fixed + wanted > limit:
            raise UserError(
                f"prepared corpora may take {limit / 1e9:g} GB ({BOUND}); {for_what} needs {wanted / 1e9:.3g} GB more, and those "
                f"in use take {fixed / 1e9:.3g} GB: allow more, or wait for other runs"
            )
        shrink(root, limit - wanted)
    if wanted > (free := shutil.disk_usage(root).free):
        raise UserError(
            f"{for_what} needs {wanted / 1e9:.3g} GB in {root}, where {free / 1e9:.3g} GB are free: free more space"
        )


def sweep(root: Path) -> None:
    """Remove what killed processes left in a cache: half-written corpora, and corpora that were being removed.

    Partial downloads stay, because the next attempt continues them. The bound counts them all.
    """
    owned_folder.sweep(root, suffix=WRITING)
    for path in root.glob(f".*{GONE}"):
        shutil.rmtree(path, ignore_errors=True)


def shrink(root: Path, limit: int) -> None:
    """Remove idle corpora, least recently used first, until all take at most `limit` bytes or none is idle."""
    sizes = {path: size(path) for path in folders(root)}
    total = sum(sizes.values())
    for path in sorted(sizes, key=lambda path: (path.suffix != GONE, path.stat().st_mtime)):
        if total > limit and not in_use(path) and remove(path):
            total -= sizes[path]


def in_use(path: Path) -> bool:
    """Return True if a process or a run needs the folder now."""
    if path.suffix not in (WRITING, PART) and time.time() - path.stat().st_mtime < _FRESH_S:
        return True
    return _is_linked(path) or _is_locked(path)


def link(path: Path, at: Path) -> None:
    """Give a run the corpus as a link. The corpus stays in the cache for as long as the link exists."""
    at.symlink_to(path.resolve(), target_is_directory=True)
    links = path.parent / _LINKS / path.name
    with suppress(OSError):  # nothing is removed from a cache that we cannot write to, so it needs no record
        links.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(str(at.absolute()).encode()).hexdigest()[:16]
        (links / name).symlink_to(at.absolute())


def hold(path: Path, owner: object) -> None:
    """Keep the folder in use for as long as the owner lives.

    The lock is a shared one on the folder. filelock has shared locks only in an SQLite file, which needs a place to write, and a
    corpus must also open in a read-only cache.
    """
    descriptor = os.open(path, os.O_RDONLY)
    weakref.finalize(owner, os.close, descriptor)
    with suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_SH)


@contextmanager
def alone(part: Path) -> Iterator[None]:
    """Keep other processes from the folder of a partial download. Wait while another process has it."""
    with _lock_of(part):
        yield


def _lock_of(part: Path) -> FileLock:
    """The lock of a partial download. Its file is not in the folder, because the folder moves when it is complete."""
    locks = part.parent / _LOCKS
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{part.name}.lock")


def folders(root: Path) -> list[Path]:
    """Return prepared corpora, partial downloads, and what killed processes left."""
    folders = [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
    return [path for path in folders if path.suffix in _TEMPORARY or (path / HEAD).is_file()]


def size(path: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _is_linked(path: Path) -> bool:
    """Return True if a link of a run still exists. Forget the links that do not."""
    links = path.parent / _LINKS / path.name
    for entry in links.iterdir() if links.is_dir() else ():
        if os.path.lexists(entry.readlink()):
            return True
        entry.unlink(missing_ok=True)
    return False


def _is_locked(path: Path) -> bool:
    try:
        with _exclusive(path):
            return False
    except OSError:
        return True


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Keep other processes from a folder. Raises OSError at once if a process has it."""
    if path.suffix == PART:
        with _lock_of(path).acquire(blocking=False):  # filelock's Timeout is an OSError
            yield
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def remove(path: Path) -> bool:
    """Remove a folder; return False if a process has begun to use it. The corpus disappears at once, its files later."""
    gone = path if path.suffix == GONE else path.with_name(f".{path.name.lstrip('.')}{GONE}")
    try:
        with _exclusive(path):
            path.rename(gone)
    except OSError:
        return False
    shutil.rmtree(gone, ignore_errors=True)
    shutil.rmtree(path.parent / _LINKS / path.name, ignore_errors=True)
    forget(path)
    return True
