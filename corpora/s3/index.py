"""The index of a corpus in S3: which files it has, their sizes and checksums.

It is written last, so that a corpus is there whole or not at all; what others read is checked against it.
"""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from common.errors import UserError
from common.validation import sentence
from corpora.layout import HEAD, MANIFEST, REJECTED, SHARDS
from corpora.s3.place import Place, missing

NAME = "index.json"
NEEDED = (HEAD, MANIFEST, REJECTED)
# Names come from a server and become paths here: no step may begin with a dot.
_SAFE = r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class File(BaseModel):
    """A file of the corpus, by its path below the folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=f"^{_SAFE}$")
    bytes: int = Field(ge=0)
    sha256: Sha256


class Index(BaseModel):
    """`fingerprint` is the corpus's own, of what it says and shows; `files` are how it is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    fingerprint: Sha256
    files: tuple[File, ...]

    @model_validator(mode="after")
    def _is_a_corpus(self) -> "Index":
        names = [file.name for file in self.files]
        if len(set(names)) < len(names) or not set(NEEDED) <= set(names) or NAME in names:
            raise ValueError(f"a corpus has {', '.join(NEEDED)} and its shards, each once")
        return self

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(file.bytes for file in self.files)


def index_of(folder: Path, fingerprint: str) -> Index:
    """The index of a prepared corpus on disk; reads every byte."""
    paths = [folder / name for name in NEEDED] + sorted((folder / SHARDS).iterdir())
    names = [str(path.relative_to(folder)) for path in paths]
    sizes = [path.stat().st_size for path in paths]
    files = zip(names, sizes, digests(paths), strict=True)
    return Index(fingerprint=fingerprint, files=tuple(File(name=n, bytes=size, sha256=sha) for n, size, sha in files))


def digests(paths: Iterable[Path]) -> list[str]:
    """sha256 of each file, in hex; several at a time, since hashing leaves Python to its other threads."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(_digest, paths))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_index(client: Any, place: Place) -> Index | None:
    """What is at a place; None where there is no index. Raises UserError for one that cannot be read, else as boto3 does."""
    try:
        text = client.get_object(Bucket=place.bucket, Key=place.key(NAME))["Body"].read()
    except ClientError as error:
        if missing(error):
            return None
        raise
    try:
        return Index.model_validate_json(text)
    except ValidationError as error:
        raise UserError(
            f"{place}/{NAME} is no index of a corpus ({sentence(error)}): push the corpus again, elsewhere"
        ) from error


def write_index(client: Any, place: Place, index: Index) -> bool:
    """Put the index there; False if another one was there first."""
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
