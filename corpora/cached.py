"""The prepared corpora in a cache as a list, and the removal of one of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpora import cache
from corpora.writer import WRITING

STATES = {WRITING: "unfinished", cache.PART: "partial", cache.GONE: "removed"}


@dataclass(frozen=True)
class Cached:
    """A folder in the cache. `used` is the time of its last use, in seconds since 1970.

    `state` is `complete`, `partial` (a download that the next attempt continues), `unfinished` (a preparation) or `removed`.
    """

    path: Path
    bytes: int
    used: float
    state: str
    in_use: bool

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "used": self.used,
            "state": self.state,
            "in_use": self.in_use,
        }


def cached(root: Path) -> list[Cached]:
    """Return the folders in a cache, the last used first; [] for a folder that does not exist."""
    found = []
    for path in cache.folders(root) if root.is_dir() else ():
        state = STATES.get(path.suffix, "complete")
        found.append(Cached(path, cache.size(path), path.stat().st_mtime, state, cache.in_use(path)))
    return sorted(found, key=lambda each: -each.used)


def remove(path: Path) -> bool:
    """Remove a folder that is not in use; return False if a process has begun to use it."""
    return cache.remove(path)
