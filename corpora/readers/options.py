"""What the readers of real video share: their options' numbers, and how many clips they may leave out."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from common.errors import UserError
from corpora.schema import Rejected

MOST_REJECTED = 0.02  # as a share of all clips


def number(query: Mapping[str, str], name: str, least: int) -> int | None:
    """An option's value; None where it is not given. Raises UserError for what is no whole number of at least `least`."""
    value = query.get(name)
    if value is not None and not (value.isascii() and value.isdigit() and int(value) >= least):
        raise UserError(f"{name}= takes a whole number of at least {least}, got {value!r}")
    return None if value is None else int(value)


def hashed(text: str) -> str:
    """What splits are drawn by: the same on every machine."""
    return hashlib.sha256(text.encode()).hexdigest()


def size_and_time(file: Path) -> tuple[int, int]:
    """Bytes and the time of the last change, in ns; zeros for a file that is not there."""
    return (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else (0, 0)


class Tolerance:
    """Lets rejected clips pass until there are too many of them, or one is in `test`: then UserError."""

    def __init__(self, clips: int, allowed: int | None) -> None:
        self.allowed, self.most = allowed, int(MOST_REJECTED * clips) if allowed is None else allowed
        self.count = 0

    def __call__(self, rejected: Rejected) -> Rejected:
        self.count += 1
        if self.count > self.most:
            raise UserError(
                f"at most {self.most} clips may be left out, and {rejected.id} ({rejected.reason}) is one more: "
                "mend the clips, or allow more with allow_rejected=N in the corpus URI"
            )
        if rejected.split == "test" and self.allowed is None:
            raise UserError(
                f"no clip of the test split may be left out, and {rejected.id} would be ({rejected.reason}): "
                "take it out of the folder, or allow it with allow_rejected=N in the corpus URI"
            )
        return rejected
