"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path next to `path` to write to; it replaces `path` when the block ends without an error.

    A reader sees the old file or the new one and never a part. A block that fails leaves the old file.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def atomic_write(path: Path, content: str | bytes) -> Path:
    """Write text (UTF-8) or bytes as a whole file, and return its path."""
    with atomic_path(path) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return path
