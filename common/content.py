"""The hash of files by content, for fingerprints."""

import hashlib
from functools import lru_cache
from pathlib import Path


@lru_cache
def content(source: str) -> str:
    """Return a hash of a file's content, or of the names and contents of all files in a folder. Dates and the path do not count.

    A path that does not exist here, e.g. one of another machine, gives `absent: PATH`. The reader of the path reports it.
    """
    path, digest = Path(source), hashlib.sha256()
    if not path.exists():
        return f"absent: {source}"
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(str(file.relative_to(path)).encode() + b"\0")
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]
