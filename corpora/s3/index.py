"""The index of a corpus in S3: its files with their sizes and checksums.

The index is written last, so a corpus appears whole or not at all. Every download is checked against it.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from common.checksums import sha256_of
from common.errors import UserError
from common.validation import sentence
from corpora.layout import HEAD, MANIFEST, REJECTED, SHARDS
from corpora.s3.place import Place, missing
from corpora.tables import LIMITS

NAME = "index.json"
NEEDED = (HEAD, MANIFEST, REJECTED)
MOST_FILES = 100_000  # 25 TB: a shard of 50,000 frames has two files, of 461 and 64 MB
LIMIT_BYTES = 20_000_000  # of the index: 200 bytes per file
# Names come from a server and become local paths, so no part of a path may start with a dot.
_SAFE = r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class File(BaseModel):
    """A file of the corpus. `name` is its path below the folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=f"^{_SAFE}$")
    bytes: int = Field(ge=0)
    sha256: Sha256


class Index(BaseModel):
    """The contents of index.json. `fingerprint` is that of the corpus and depends on its content; `files` is how it is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    fingerprint: Sha256
    files: tuple[File, ...]

    @model_validator(mode="after")
    def _is_a_corpus(self) -> "Index":
        names = [file.name for file in self.files]
        if len(names) > MOST_FILES:
            raise ValueError(f"a corpus has at most {MOST_FILES} files, and this one has {len(names)}")
        for file in self.files:
            if file.bytes > LIMITS.get(file.name, file.bytes):
                raise ValueError(f"{file.name} has at most {LIMITS[file.name]} bytes, and here {file.bytes}")
        if len(set(names)) < len(names) or not set(NEEDED) <= set(names) or NAME in names:
            raise ValueError(f"a corpus has {', '.join(NEEDED)} and its shards, each once")
        return self

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(file.bytes for file in self.files)


def index_of(folder: Path, fingerprint: str) -> Index:
    """Return the index of a prepared corpus on disk. Reads every byte."""
    paths = [folder / name for name in NEEDED] + sorted((folder / SHARDS).iterdir())
    names = [str(path.relative_to(folder)) for path in paths]
    sizes = [path.stat().st_size for path in paths]
    files = zip(names, sizes, digests(paths), strict=True)
    return Index(fingerprint=fingerprint, files=tuple(File(name=n, bytes=size, sha256=sha) for n, size, sha in files))


def digests(paths: Iterable[Path]) -> list[str]:
    """Return the sha256 of each file in hex. Several threads work at once, since hashing releases the interpreter lock."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(sha256_of, paths))


def read_index(client: Any, place: Place) -> Index | None:
    """Return the index at a place, None if absent. Raises UserError for an invalid index, and the errors of boto3.

    At most LIMIT_BYTES and one more are read, whatever the server sends.
    """
    try:
        with closing(client.get_object(Bucket=place.bucket, Key=place.key(NAME))["Body"]) as body:
            text = body.read(LIMIT_BYTES + 1)
    except ClientError as error:
        if missing(error):
            return None
        raise
    if len(text) > LIMIT_BYTES:
        raise UserError(
            f"the index of a corpus has at most {LIMIT_BYTES} bytes, and {place}/{NAME} has more, so it is not one: "
            "push the corpus again, under another prefix"
        )
    try:
        return Index.model_validate_json(text)
    except ValidationError as error:
        raise UserError(
            f"{place}/{NAME} is not the index of a corpus ({sentence(error)}): push the corpus again, under another prefix"
        ) from error


def write_index(client: Any, place: Place, index: Index) -> bool:
    """Write the index; return False if the place already has one."""
    body = index.model_dump_json(indent=1).encode()
    try:
        client.put_object(
            Bucket=place.bucket, Key=place.key(NAME), Body=body, ContentType="application/json", IfNoneMatch="*"
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"):
            return False
        raise
    return True
