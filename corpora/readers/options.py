"""The part that the readers of real video share: numbers in options, and a limit on the clips that are left out."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.errors import UserError
from corpora.schema import Rejected

MOST_REJECTED = 0.02  # as a share of all clips


def number(query: Mapping[str, str], name: str, least: int) -> int | None:
    """Return the value of an option, None if absent. Raises UserError unless it is a whole number of at least `least`."""
    value = query.get(name)
    if value is not None and not (value.isascii() and value.isdigit() and int(value) >= least):
        raise UserError(f"{name}= takes a whole number of at least {least}, got {value!r}")
    return None if value is None else int(value)


def hashed(text: str) -> str:
    """Return the hash that decides splits. It is the same on every machine."""
    return hashlib.sha256(text.encode()).hexdigest()


def size_and_time(file: Path) -> tuple[int, int]:
    """Return the size in bytes and the time of the last change in ns; zeros for a file that does not exist."""
    return (file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else (0, 0)


class Tolerance:
    """Pass rejected clips through. Raise UserError when there are too many of them, or when one is in `test`."""

    def __init__(self, clips: int, allowed: int | None) -> None:
        self.allowed, self.most = allowed, int(MOST_REJECTED * clips) if allowed is None else allowed
        self.count = 0

    def all(self, found: Sequence[Rejected]) -> Sequence[Rejected]:
        """Pass clips through that were found together, so that the error says how many there are."""
        if len(found) > 1 and self.count + len(found) > self.most:
            reason, times = Counter(rejected.reason for rejected in found).most_common(1)[0]
            example = next(rejected for rejected in found if rejected.reason == reason)
            raise UserError(
                f"at most {self.most} clips may be left out, and {self.count + len(found)} would be, {times} of them for one "
                f"reason ({example.id}: {reason}): repair the clips, or allow more with allow_rejected=N in the corpus URI"
            )
        return [self(rejected) for rejected in found]

    def __call__(self, rejected: Rejected) -> Rejected:
        self.count += 1
        if self.count > self.most:
            raise UserError(
                f"at most {self.most} clips may be left out, and {rejected.id} ({rejected.reason}) is one too many: "
                "repair the clips, or allow more with allow_rejected=N in the corpus URI"
            )
        if rejected.split == "test" and self.allowed is None:
            raise UserError(
                f"no clip of the test split may be left out, and {rejected.id} would be ({rejected.reason}): "
                "remove it from the folder, or allow it with allow_rejected=N in the corpus URI"
            )
        return rejected
