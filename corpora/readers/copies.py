"""Clips that have the same content under two ids, found by a hash of their files.

A copy in another split would be learned and then tested. A copy with other words shows that one of the two texts is wrong. Other
copies do no harm: they are kept, and `ablate corpus prepare` counts them.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from corpora.schema import Rejected

KEPT_FIRST = ("test", "valid", "train")


@dataclass(frozen=True)
class Entry:
    """A clip with its normalised words and its split."""

    id: str
    file: Path
    words: str
    split: str


def contradictions(entries: Sequence[Entry], workers: int) -> dict[str, Rejected]:
    """Return the clips to leave out because of another clip with the same content, by id.

    Only files of equal size are hashed. Files that do not exist are no copies. Of copies in different splits, that of `test` stays,
    or that of `valid`.
    """
    found: dict[str, Rejected] = {}
    for same in _same_content(entries, workers):
        first, *others = sorted(same, key=lambda entry: (KEPT_FIRST.index(entry.split), entry.id))
        different = next((other for other in others if other.words != first.words), None)
        if different is not None:
            for entry in same:
                other = first if entry.words != first.words else different
                found[entry.id] = Rejected(entry.id, f"same content as {other.id}, which has other words", entry.split)
            continue
        for entry in others:
            if entry.split != first.split:
                found[entry.id] = Rejected(
                    entry.id, f"same content as {first.id}, which is in {first.split}", entry.split
                )
    return found


def _same_content(entries: Sequence[Entry], workers: int) -> Iterable[list[Entry]]:
    """Yield the groups of two or more clips whose files have the same content."""
    sizes = [(entry.file.stat().st_size, entry) for entry in entries if entry.file.is_file()]
    counted: dict[int, list[Entry]] = {}
    for size, entry in sizes:
        counted.setdefault(size, []).append(entry)
    candidates = [entry for group in counted.values() if len(group) > 1 for entry in group]
    with ThreadPoolExecutor(max(1, workers)) as pool:
        hashes = dict(zip((entry.id for entry in candidates), pool.map(_hash, candidates), strict=True))
    ordered = sorted(candidates, key=lambda entry: (hashes[entry.id], entry.id))
    for _, group in groupby(ordered, key=lambda entry: hashes[entry.id]):
        if len(same := list(group)) > 1:
            yield same


def _hash(entry: Entry) -> str:
    with entry.file.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
