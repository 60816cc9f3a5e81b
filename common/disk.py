"""Sentences about disks: full, over quota, read-only, without permission, broken. Everything else is not a matter of the disk."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.errors import UserError
from common.files import PART

_ALMOST_NOTHING_BYTES = 1_000_000  # SQLite calls a full disk an I/O error, if it could not write its journal
# What SQLite says -> the error of the system.
_SQLITE = {
    "database or disk is full": errno.ENOSPC,
    "readonly database": errno.EROFS,
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "Read-only file system": errno.EROFS,
    "disk I/O error": errno.EIO,
}


class DiskFull(UserError):
    """The disk is full or the quota is used up. The input may be right: the command works once there is room."""

    exit_code = 1


def refusal(error: BaseException, place: Path | None = None) -> UserError | None:
    """Return an error whose text says what is wrong with the disk and what to do; None if it is about something else.

    `place` is the file or folder in question, unless the error names one. Errors that caused this one count too, and so does
    the text of SQLite's errors.
    """
    for cause in _chain(error):
        number = _number(cause)
        if number is not None:
            named = getattr(cause, "filename", None)
            return _refusal(number, _visible(Path(os.fsdecode(named))) if isinstance(named, str | bytes) else place)
    return None


@contextmanager
def explained(place: Path | None = None) -> Iterator[None]:
    """Turn an error of the block about a disk into UserError. `place` is where the block writes."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        found = refusal(error, place)
        if found is None:
            raise
        raise found from error


def make_folder(path: Path) -> None:
    """Make a folder that a user named, and its parents, if it is missing. Raises UserError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "a file is there" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        found = refusal(error, path)
        raise found or UserError(f"{path} cannot be a folder ({reason}): give another one") from error


def full(place: Path) -> UserError | None:
    """Return an error that says so if the disk that has the place is full, which may have kept others from saying it."""
    return _refusal(errno.ENOSPC, place) if _usage(place).free < _ALMOST_NOTHING_BYTES else None


def room(place: Path) -> str:
    """Return the free bytes of the disk that has the place, in words, e.g. `12.3 MB free`."""
    return f"{_amount(_usage(place).free)} free"


def _refusal(number: int, place: Path | None) -> UserError | None:
    where = str(place) if place else "the folder"
    if number == errno.EIO and place and _usage(place).free < _ALMOST_NOTHING_BYTES:
        number = errno.ENOSPC
    if number == errno.ENOSPC:
        free = f" ({room(place)})" if place else ""
        return DiskFull(
            f"the disk that has {where} has no room for what is written{free}: free some space, then rerun the command; "
            "finished results are kept"
        )
    if number == errno.EDQUOT:
        return DiskFull(f"the disk quota of user {os.getuid()} for {where} is used up: free some space, then rerun")
    if number == errno.EROFS:
        return UserError(f"{where} is read-only: make it writable, or give another folder")
    if number in (errno.EACCES, errno.EPERM):
        return UserError(f"user {os.getuid()} has no permission to use {where}: change its rights, or give another one")
    if number == errno.EIO:
        return UserError(f"the disk that has {where} answers with an input/output error: check the disk")
    return None


def _visible(path: Path) -> Path:
    """Return the folder in place of a hidden file in it, which the user does not know (see `common.files`)."""
    hidden = [part for part in (path, *path.parents) if part.name.startswith(".") and part.name.endswith(PART)]
    return hidden[0].parent if hidden else path


def _number(error: BaseException) -> int | None:
    """Return the number of the system's error, or the one that SQLite's text means."""
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, *_SQLITE.values()):
        return error.errno
    return next((number for text, number in _SQLITE.items() if text in str(error)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _usage(place: Path) -> "shutil._ntuple_diskusage":
    """The usage of the disk that has a place, or that would have it."""
    existing = next((path for path in (place, *place.absolute().parents) if path.exists()), Path("/"))
    return shutil.disk_usage(existing)


def _amount(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
