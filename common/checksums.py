"""SHA-256 of files, and the check of files against the sums that were stored with them."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from common.errors import UserError


class Damaged(UserError):
    """Stored files are not the ones that were stored. To fetch them again does not help."""


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def sums_of(files: Iterable[Path]) -> dict[str, str]:
    """Return file name -> SHA-256."""
    return {file.name: sha256_of(file) for file in files}


def fault(folder: Path, sums: Mapping[str, str | Collection[str]]) -> str | None:
    """Return which file of `sums` is missing in a folder or differs, as half a sentence; None if all are as they were.

    `sums` maps a file name to its SHA-256, or to several of which one must fit.
    """
    for name, allowed in sums.items():
        file = folder / name
        if not file.is_file():
            return f"{name} is missing"
        if sha256_of(file) not in ([allowed] if isinstance(allowed, str) else allowed):
            return f"{name} differs from what was stored (its SHA-256 is another)"
    return None
