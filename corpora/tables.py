"""The small files of a prepared corpus: corpus.json, manifest.parquet and rejected.csv, with every field checked."""

import csv
import errno
import io
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd

from common.errors import UserError
from corpora.layout import HEAD, MANIFEST, REJECTED, SCHEMA_VERSION, fingerprint
from corpora.record import damaged
from corpora.schema import SAMPLES_PER_FRAME, SPLITS, Rejected, Utterance

# The largest sizes in bytes that are read into memory: ten million utterances have a manifest of about 2 GB.
LIMITS: Mapping[str, int] = {HEAD: 1_000_000, MANIFEST: 4_000_000_000, REJECTED: 1_000_000_000}
_TYPES = get_type_hints(Utterance)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BROKEN = (errno.EIO, errno.EUCLEAN) if hasattr(errno, "EUCLEAN") else (errno.EIO,)


def read_head(folder: Path) -> dict[str, Any]:
    """Return the contents of corpus.json. Raises UserError if there is no corpus of this schema version, and Damaged."""
    if not os.path.lexists(folder / HEAD):
        raise UserError(f"a prepared corpus is a folder with {HEAD}; {folder} has none: run `ablate corpus prepare`")
    content = _read(folder, HEAD)
    try:
        head = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(folder, f"{folder / HEAD} must be JSON ({error})") from error
    if not isinstance(head, dict):
        raise damaged(folder, f"{folder / HEAD} must be a JSON object")
    version = head.get("schema_version")
    if version != SCHEMA_VERSION:
        raise damaged(folder, f"{folder} has corpus schema version {version}, and this program reads {SCHEMA_VERSION}")
    texts = (head.get("uri"), head.get("fingerprint"))
    if not all(isinstance(text, str) for text in texts) or not _SHA256.fullmatch(str(texts[1])):
        raise damaged(folder, f"{folder / HEAD} must have a uri and a fingerprint of 64 hex digits")
    return head


def read_manifest(folder: Path, head: Mapping[str, Any]) -> list[Utterance]:
    """Return the rows of the manifest.

    Raises Damaged if a value has a wrong type or breaks a rule of the schema, or without the fingerprint in corpus.json.
    """
    content = _read(folder, MANIFEST)
    try:
        table = pd.read_parquet(io.BytesIO(content))
    except Exception as error:  # pyarrow has many kinds of errors for a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise damaged(folder, f"{folder / MANIFEST} cannot be read ({reason})") from error
    if set(table.columns) != set(_TYPES):
        raise damaged(folder, f"{folder / MANIFEST} must have the columns {', '.join(_TYPES)}")
    rows = table.to_dict("records")
    for number, row in enumerate(rows):
        if fault := _fault({str(name): value for name, value in row.items()}):
            raise damaged(folder, f"row {number} of {folder / MANIFEST} has {fault}")
    if len({row["id"] for row in rows}) != len(rows) or not rows:
        raise damaged(folder, f"{folder / MANIFEST} must have at least one utterance, and each once")
    found = [Utterance(**{str(name): value for name, value in row.items()}) for row in rows]
    if fingerprint(found) != head["fingerprint"]:
        raise damaged(folder, f"{folder / MANIFEST} does not have the fingerprint in {HEAD}: one of them was changed")
    return found


def read_rejected(folder: Path, head: Mapping[str, Any]) -> list[Rejected]:
    """Return the clips that were left out. Raises Damaged, also if their number differs from the one in corpus.json."""
    names, content = [field.name for field in fields(Rejected)], _read(folder, REJECTED)
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        rows = [dict(row) for row in reader]
    except (ValueError, csv.Error) as error:
        raise damaged(folder, f"{folder / REJECTED} must be a table in UTF-8 ({error})") from error
    if set(reader.fieldnames or ()) != set(names) or any(
        set(row) != set(names) or None in row.values() for row in rows
    ):
        raise damaged(folder, f"{folder / REJECTED} must have the columns {', '.join(names)} in every row")
    counts = head.get("counts")
    if isinstance(counts, dict) and counts.get("rejected", len(rows)) != len(rows):
        raise damaged(folder, f"{folder / REJECTED} must have {counts['rejected']} rows, and has {len(rows)}")
    return [Rejected(**row) for row in rows]


def open_plain(folder: Path, name: str) -> int:
    """Open a file of a corpus for reading and return its descriptor.

    Raises Damaged for anything but a plain file, and UserError if this user may not read it.
    """
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe must not block
    except OSError as error:
        raise unreadable(folder, name, error) from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise damaged(folder, f"{folder / name} must be a plain file")


def unreadable(folder: Path, name: str, error: OSError) -> UserError:
    """Return the error for a file that cannot be opened or read. No permission, and a network that fails, are not damage."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return damaged(folder, f"a prepared corpus has the file {name}; {folder} has none")
    if error.errno == errno.ELOOP:
        return damaged(folder, f"{folder / name} must be a plain file, not a link")
    if error.errno in _BROKEN:
        return damaged(folder, f"{folder / name} cannot be read ({error.strerror})")
    return UserError(f"{folder / name} cannot be read by user {os.getuid()}: {error.strerror}; correct that")


def _read(folder: Path, name: str) -> bytes:
    """Return the content of a small file. Raises Damaged and UserError as `open_plain`, and Damaged if it is too large."""
    descriptor = open_plain(folder, name)
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_size > LIMITS[name]:
            raise damaged(folder, f"{folder / name} must have at most {LIMITS[name]} bytes")
        try:
            return file.read()
        except OSError as error:
            raise unreadable(folder, name, error) from error


def _fault(row: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a row of the manifest, in words; None if nothing is."""
    for name, kind in _TYPES.items():
        if type(row[name]) is not kind:
            return f"{name}={str(row[name])[:40]!r}, which is not {'a number' if kind is int else 'text'}"
    if row["split"] not in SPLITS:
        return f"split={row['split']!r}, which is not one of {', '.join(SPLITS)}"
    if row["frames"] < 1 or row["samples"] != row["frames"] * SAMPLES_PER_FRAME:
        return f"{row['frames']} frames and {row['samples']} samples, where each frame has {SAMPLES_PER_FRAME}"
    if row["shard"] < 0 or row["first_frame"] < 0:
        return "a shard or a first frame below 0"
    if not all(_SHA256.fullmatch(row[name]) for name in ("video_sha256", "audio_sha256")):
        return "a checksum that is not 64 hex digits"
    return None if row["text"].strip() and row["id"] else "no text or no id"
