"""Where a checkpoint to start from lies, and the hash of what it holds. Imports no torch."""

import contextlib
import hashlib
import http.client
import shutil
import urllib.parse
import urllib.request
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from common.errors import UserError

CACHE = Path.home() / ".cache" / "ablate" / "checkpoints"
TRIES = 5
TIMEOUT_S = 60.0


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


def forget(place: str) -> None:
    """Drop what was fetched from an address, so that it is fetched anew."""
    _kept(place).unlink(missing_ok=True)


def _kept(address: str) -> Path:
    return CACHE / hashlib.sha256(address.encode()).hexdigest()[:16]


def _fetched(address: str) -> Path:
    """Once for all processes of the machine; the file appears whole or not at all."""
    path = _kept(address)
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            beside = path.with_suffix(".part")
            try:
                _download(address, beside)
            except (OSError, http.client.HTTPException, ValueError) as error:
                beside.unlink(missing_ok=True)
                raise UserError(
                    f"init_from: {address} cannot be fetched: {error}; give a path to the file instead"
                ) from error
            beside.replace(path)
    return path


def _download(address: str, path: Path) -> None:
    """Where the connection breaks, go on from there, a few times."""
    version = ""
    with path.open("wb") as file:
        for _ in range(TRIES):
            asked = {"Range": f"bytes={file.tell()}-", "If-Range": version} if version and file.tell() else {}
            with urllib.request.urlopen(urllib.request.Request(address, headers=asked), timeout=TIMEOUT_S) as answer:
                if answer.status != http.HTTPStatus.PARTIAL_CONTENT:  # all of it, from the start
                    file.seek(0)
                    file.truncate()
                version = answer.headers.get("ETag") or ""
                length = answer.headers.get("Content-Length")
                whole = None if length is None else file.tell() + int(length)
                with contextlib.suppress(ConnectionError, TimeoutError, http.client.IncompleteRead):
                    shutil.copyfileobj(answer, file, 1 << 20)
            if whole is None or file.tell() == whole:
                return
        raise ConnectionError(f"the connection broke {TRIES} times, at last after {file.tell()} of {whole} bytes")
