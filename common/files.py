"""Files that appear whole or not at all.

The content is on the disk before it replaces the old file, so neither a kill nor a power cut leaves a part. A power cut shortly
after the block can leave the old file.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.owned_folder import owned_folder

PART = ".part"
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)  # a file system that keeps nothing on a disk


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path to write to, on the same disk; it replaces `path` when the block ends without an error.

    A reader sees the old file or the new one and never a part. A block that fails leaves the old file. A link at `path` is
    replaced, not followed. The file gets the mode that a new file of this process has (umask). The path to write to is in a
    hidden folder next to `path`; what a killed process left of it is removed at the next write of the same file.
    """
    with owned_folder(path.parent, f".{path.name}.", PART) as folder:
        part = folder / path.name
        mode = _mode_of_new_file(part)
        yield part
        _to_disk(part, mode)
        part.replace(path)


def atomic_write(path: Path, content: str | bytes) -> Path:
    """Write text (UTF-8) or bytes as a whole file, and return its path."""
    with atomic_path(path) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file that nobody changes in place a second name, or make a copy where the file system has no links between them."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _mode_of_new_file(path: Path) -> int:
    """Return the mode that the umask gives to a new file. The umask itself can only be read by changing it for all threads."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return os.fstat(descriptor).st_mode & 0o777
    finally:
        os.close(descriptor)
        path.unlink()


def _to_disk(path: Path, mode: int) -> None:
    """Set the mode of a file, and wait until its content is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)
