"""Where a checkpoint to start from lies, and the hash of what it holds. Imports no torch."""

import hashlib
import urllib.error
import urllib.parse
import urllib.request
from functools import lru_cache
from pathlib import Path

from ablation.errors import UserError

CACHE = Path.home() / ".cache" / "ablate" / "checkpoints"


def local(place: str) -> Path:
    """The file at a path, a `file://` or an `http(s)://` address; what is fetched is kept. Raises UserError."""
    scheme, rest = urllib.parse.urlsplit(place).scheme, place.partition("://")[2]
    if scheme in ("http", "https"):
        return _fetched(place)
    if scheme not in ("", "file"):
        raise UserError(
            f"init_from takes a path, file:// or https://, got {place!r}; copy the file to where trials see it"
        )
    path = Path(urllib.parse.unquote(rest) if scheme else place)
    if not path.is_file():
        raise UserError(f"init_from: no checkpoint at {path}; give the path of an AV-HuBERT checkpoint (.pt)")
    return path


def sha256(place: str) -> str:
    """The hash of the file's content, so that a trial is known by what it started from and not by where that lay."""
    path = local(place)
    stat = path.stat()
    return _hash(path, stat.st_mtime_ns, stat.st_size)


@lru_cache
def _hash(path: Path, _changed_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetched(address: str) -> Path:
    path = CACHE / hashlib.sha256(address.encode()).hexdigest()[:16]
    if not path.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(".part")
        try:
            urllib.request.urlretrieve(address, beside)
        except (OSError, urllib.error.URLError) as error:
            raise UserError(
                f"init_from: {address} cannot be fetched: {error}; give a path to the file instead"
            ) from error
        beside.replace(path)
    return path
