"""The file of a checkpoint that training starts from: its location and its hash. Imports no torch."""

import contextlib
import hashlib
import http.client
import shutil
import urllib.parse
import urllib.request
from functools import lru_cache
from pathlib import Path

from common.errors import UserError
from common.files import atomic_path

CACHE = Path.home() / ".cache" / "ablate" / "checkpoints"
TRIES = 5
TIMEOUT_S = 60.0


def local(place: str) -> Path:
    """Return the file for a path, a `file://` or an `http(s)://` address. Downloads are cached. Raises UserError."""
    scheme, rest = urllib.parse.urlsplit(place).scheme, place.partition("://")[2]
    if scheme in ("http", "https"):
        return _downloaded(place)
    if scheme not in ("", "file"):
        raise UserError(
            f"init_from takes a path, file:// or https://, got {place!r}; copy the file to a place that trials can read"
        )
    path = Path(urllib.parse.unquote(rest) if scheme else place)
    if not path.is_file():
        raise UserError(f"init_from: no checkpoint at {path}; give the path of an AV-HuBERT checkpoint (.pt)")
    return path


def at_hand(place: str) -> Path | None:
    """Return the file for a path or an address, if it is on this machine; nothing is downloaded."""
    scheme, rest = urllib.parse.urlsplit(place).scheme, place.partition("://")[2]
    web = scheme in ("http", "https")
    path = _cached(place) if web else Path(urllib.parse.unquote(rest) if scheme else place)
    return path if path.is_file() else None


def sha256(place: str) -> str:
    """Return the hash of the content, so that the content identifies a trial and not the location of the file."""
    path = local(place)
    stat = path.stat()
    return _hash(path, stat.st_mtime_ns, stat.st_size)


@lru_cache
def _hash(path: Path, _changed_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def forget(place: str) -> None:
    """Delete the cached download of an address, so that the next use downloads it again."""
    _cached(place).unlink(missing_ok=True)


def _cached(address: str) -> Path:
    return CACHE / hashlib.sha256(address.encode()).hexdigest()[:16]


def _downloaded(address: str) -> Path:
    """Download once for all processes of the machine. The file is either complete or absent."""
    from filelock import FileLock  # served models import this module, and their environment has no filelock

    path = _cached(address)
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            try:
                with atomic_path(path) as part:
                    _download(address, part)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise UserError(
                    f"init_from: {address} cannot be downloaded: {error}; give a path to the file instead"
                ) from error
    return path


def _download(address: str, path: Path) -> None:
    """Download a file. After a broken connection, continue from the last byte; give up after `TRIES` connections."""
    version = ""
    with path.open("wb") as file:
        for _ in range(TRIES):
            asked = {"Range": f"bytes={file.tell()}-", "If-Range": version} if version and file.tell() else {}
            with urllib.request.urlopen(urllib.request.Request(address, headers=asked), timeout=TIMEOUT_S) as answer:
                if answer.status != http.HTTPStatus.PARTIAL_CONTENT:  # the whole file, from the start
                    file.seek(0)
                    file.truncate()
                version = answer.headers.get("ETag") or ""
                length = answer.headers.get("Content-Length")
                whole = None if length is None else file.tell() + int(length)
                with contextlib.suppress(ConnectionError, TimeoutError, http.client.IncompleteRead):
                    shutil.copyfileobj(answer, file, 1 << 20)
            if whole is None or file.tell() == whole:
                return
        raise ConnectionError(f"the connection broke {TRIES} times, the last time after {file.tell()} of {whole} bytes")
