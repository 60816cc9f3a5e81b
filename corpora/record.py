"""The record that a prepared corpus was checked whole: size, times and inode of every file, next to the corpus.

As long as they are the same, the corpus counts as sound and is not read again. Damage that changes none of them is found when an
utterance is used (`corpora.shards`).
"""

import json
import os
from contextlib import suppress
from pathlib import Path

from common.errors import UserError
from common.files import atomic_write
from corpora.layout import HEAD, MANIFEST, REJECTED, SHARDS

RECORDS = ".checked"
_FORMAT = 1

State = dict[str, list[int]]


class Damaged(UserError):
    """A prepared corpus differs from what was written. `fault` is the text without the remedy."""

    def __init__(self, folder: Path, fault: str) -> None:
        super().__init__(f"{fault}: rerun the study, which prepares the corpus again, or delete {folder}")
        self.fault = fault


def damaged(folder: Path, fault: str) -> Damaged:
    """Return the error to raise for damage in a corpus, and forget that it was sound: it is checked when a study starts."""
    forget(folder)
    return Damaged(folder, fault)


def state(folder: Path) -> State:
    """Return size in bytes, mtime and ctime in ns, and inode of every file of a corpus. Raises OSError."""
    names = [HEAD, MANIFEST, REJECTED, *(f"{SHARDS}/{path.name}" for path in sorted((folder / SHARDS).iterdir()))]
    stats = {name: os.lstat(folder / name) for name in names}
    return {name: [st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_ino] for name, st in stats.items()}


def remember(folder: Path, found: State) -> None:
    """Record that a corpus is sound in this state. Where nothing can be written, nothing is recorded."""
    path = _path(folder)
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        atomic_write(path, json.dumps({"format": _FORMAT, "files": found}))


def is_remembered(folder: Path) -> bool:
    """Return True if the corpus was sound, and no file has changed since."""
    try:
        content = json.loads(_path(folder).read_bytes())
        return bool(content == {"format": _FORMAT, "files": state(folder)})
    except (OSError, ValueError, RecursionError):
        return False


def forget(folder: Path) -> None:
    """Remove the record of a corpus."""
    with suppress(OSError):
        _path(folder).unlink(missing_ok=True)


def _path(folder: Path) -> Path:
    place = folder.resolve()
    return place.parent / RECORDS / f"{place.name}.json"
