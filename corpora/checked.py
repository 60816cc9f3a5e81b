"""Prepared corpora that are checked whole before they are used: every byte once, then remembered (`corpora.record`)."""

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from common.errors import UserError
from corpora import cache, record
from corpora.layout import HEAD
from corpora.problems import problems

_SAID_BYTES = 2_000_000_000  # a check of a larger corpus takes seconds, so a line says why


class _Reader:
    """Keeps a corpus in use while it is checked."""


def is_sound(folder: Path) -> bool:
    """Return True if a sound corpus is in the folder. It then counts as used now. Raises UserError if it cannot be read.

    The first call reads every byte. Later ones compare the sizes and times of the files with the record of the first.
    """
    return cache.has(folder) and not _problems_once(folder)


def make_way(folder: Path) -> bool:
    """Return True if a sound corpus is in the folder; otherwise say what is wrong with it, and remove it.

    Raises UserError if it cannot be removed.
    """
    if not os.path.lexists(folder):
        return False
    found = _problems_once(folder) if cache.has(folder) else [f"it has no {HEAD}"]
    if not found:
        return True
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    print(f"the corpus in {folder} is damaged ({found[0]}{more}); preparing it again", file=sys.stderr, flush=True)
    discard_damaged(folder)
    return False


def remember_written(folder: Path) -> None:
    """Record a corpus as sound whose bytes this process has just hashed: it is not read again."""
    with suppress(OSError):
        record.remember(folder, record.state(folder))


def _problems_once(folder: Path) -> list[str]:
    if record.is_remembered(folder):
        return []
    held = _Reader()
    try:
        cache.hold(folder, held)
        before = record.state(folder)
        if (size := sum(stat[0] for stat in before.values())) > _SAID_BYTES:
            print(f"checking {size / 1e9:.1f} GB of {folder}, once", file=sys.stderr, flush=True)
        if found := problems(folder):
            return found
        if before == record.state(folder):
            record.remember(folder, before)
    except OSError as error:
        return [f"its files cannot be listed ({error.strerror})"]
    return []


def discard_damaged(folder: Path) -> None:
    """Remove a corpus that is not sound, so that it can be prepared again. Raises UserError if that is not possible.

    Another process may do the same at this time, and have prepared the corpus again already.
    """
    try:
        with cache.alone(folder.with_name(f".{folder.name}{cache.PART}")):
            if os.path.lexists(folder) and not is_sound(folder):
                gone = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=cache.GONE, dir=folder.parent))
                folder.rename(gone / folder.name)  # the corpus disappears at once, its files later
                shutil.rmtree(gone, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"a damaged corpus is not used; {folder} is damaged and cannot be removed ({error.strerror}): "
            "delete the folder, so that the corpus is prepared again"
        ) from error
