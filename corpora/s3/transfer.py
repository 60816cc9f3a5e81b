"""Prepared corpora to S3 and back. boto3's transfer manager does the work: parts, threads, retries, checksums on the way.

After a cut the same command goes on: files that are whole and have the right checksum are kept, others begin anew. That is
at most one shard of 461 MB per connection lost; parts of a file are not carried over.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from boto3.s3.transfer import ProgressCallbackInvoker, TransferConfig, create_transfer_manager
from botocore.exceptions import ClientError

from common.errors import UserError
from corpora import cache
from corpora.layout import HEAD, SHARDS, fingerprint
from corpora.s3.index import NAME, File, Index, digests, index_of, read_index, write_index
from corpora.s3.place import CONNECTIONS, Place, connection, missing
from corpora.store import Corpus

Progress = Callable[[int, int], None]


def _silent(_done: int, _total: int) -> None:
    """No progress is shown."""


def push(folder: Path, uri: str, progress: Progress = _silent) -> int:
    """Put a prepared corpus at `s3://bucket/prefix`; returns how many files had to be sent.

    `progress(done, total)` counts bytes. What is there of an earlier attempt is used; the index comes last. Raises UserError,
    also for a corpus that is damaged, and for a place that holds another corpus.
    """
    place, corpus = Place.parse(uri), Corpus.open(folder)
    if problems := corpus.verify():
        raise UserError(f"only a sound corpus is pushed; {folder} has {len(problems)} faults, the first: {problems[0]}")
    index = index_of(folder, corpus.fingerprint)
    with connection(place) as client:
        if _is_there(read_index(client, place), index, place):
            progress(index.bytes, index.bytes)
            return 0
        absent = [file for file in index.files if not _has(client, place, file)]
        _send(client, place, folder, absent, _counter(index, absent, progress))
        if not write_index(client, place, index):
            _is_there(read_index(client, place), index, place)
    return len(absent)


def _is_there(found: Index | None, index: Index, place: Place) -> bool:
    if found is not None and found.fingerprint != index.fingerprint:
        raise UserError(
            f"{place} holds another corpus (fingerprint {found.fingerprint[:12]}, not {index.fingerprint[:12]}), which "
            "studies may rely on: choose another prefix"
        )
    return found is not None


def _has(client: Any, place: Place, file: File) -> bool:
    """Whether an object is what an earlier attempt sent of this very file. S3 shows an object when all of it has arrived."""
    try:
        head = client.head_object(Bucket=place.bucket, Key=place.key(file.name))
    except ClientError as error:
        if missing(error):
            return False
        raise
    return bool(head["ContentLength"] == file.bytes and head["Metadata"].get("sha256") == file.sha256)


def _send(client: Any, place: Place, folder: Path, files: Sequence[File], count: Any) -> None:
    with _manager(client) as manager:
        sent = [
            manager.upload(
                str(folder / file.name),
                place.bucket,
                place.key(file.name),
                # S3 computes the checksum of every part, too, and refuses one that has changed on the way.
                extra_args={"ChecksumAlgorithm": "SHA256", "Metadata": {"sha256": file.sha256}},
                subscribers=[ProgressCallbackInvoker(count)],
            )
            for file in files
        ]
        for future in sent:
            future.result()


def pull(uri: str, root: Path, progress: Progress = _silent) -> Path:
    """The folder below `root` with the corpus of `s3://bucket/prefix`, downloaded if it is not there yet.

    Its name follows from the corpus's contents. `progress(done, total)` counts bytes. Raises UserError; what has arrived
    whole is kept for the next attempt, beside.
    """
    place = Place.parse(uri)
    with connection(place) as client:
        index = _found(client, place)
        path = root / f"s3-{index.fingerprint[:16]}"
        if not cache.has(path):
            _into(path, client, place, index, progress)
    progress(index.bytes, index.bytes)
    return path


def _into(path: Path, client: Any, place: Place, index: Index, progress: Progress) -> None:
    """One process downloads a corpus, others wait for it."""
    part = path.with_name(f".{path.name}{cache.PART}")
    with cache.alone(part):
        if not cache.has(path):
            _fetch(client, place, index, part, progress)
            part.rename(path)
    with contextlib.suppress(OSError):
        part.rmdir()  # of those who waited


def find(uri: str) -> None:
    """Raises UserError where there is no corpus at `s3://bucket/prefix`, or none that can be reached."""
    place = Place.parse(uri)
    with connection(place) as client:
        _found(client, place)


def _found(client: Any, place: Place) -> Index:
    index = read_index(client, place)
    if index is None:
        raise UserError(_why_nothing(client, place))
    return index


def _why_nothing(client: Any, place: Place) -> str:
    listed = client.list_objects_v2(Bucket=place.bucket, Prefix=f"{place.prefix}/", MaxKeys=1)
    if listed.get("KeyCount"):
        return f"{place} has files but no {NAME}, which is written last: the upload was cut, so push the corpus again"
    return f"there is no corpus at {place}: put one there, `ablate corpus push FOLDER {place}`, or mend the URI"


def _fetch(client: Any, place: Place, index: Index, part: Path, progress: Progress) -> None:
    """Complete the folder `part`, and check it against the index and the corpus's own fingerprint."""
    present = [file for file in index.files if (part / file.name).is_file()]
    sums = dict(zip(present, digests(part / file.name for file in present), strict=True))
    absent = [file for file in index.files if sums.get(file) != file.sha256]
    cache.make_room(part.parent, sum(file.bytes for file in absent), for_what=str(place))
    (part / SHARDS).mkdir(exist_ok=True)
    with _manager(client) as manager:
        count = _counter(index, absent, progress)
        coming = [
            manager.download(
                place.bucket,
                place.key(file.name),
                str(part / file.name),
                subscribers=[ProgressCallbackInvoker(count)],
            )
            for file in absent
        ]
        for future in coming:
            future.result()
    _check(place, index, part, absent)


def _check(place: Place, index: Index, part: Path, arrived: Sequence[File]) -> None:
    paths = [part / file.name for file in arrived]
    for file, path, found in zip(arrived, paths, digests(paths), strict=True):
        if found != file.sha256:
            path.unlink()
            raise UserError(
                f"{place}/{file.name} differs from its checksum in {NAME}: it was changed there; push the corpus again, elsewhere"
            )
    corpus = Corpus(part, json.loads((part / HEAD).read_text()))  # to open it would wait for our own lock
    if not corpus.fingerprint == fingerprint(corpus.all_utterances) == index.fingerprint:
        raise UserError(f"{place} has another fingerprint than its {NAME} says: push the corpus again, elsewhere")


def _counter(index: Index, absent: Sequence[File], progress: Progress) -> Callable[[int], None]:
    """Adds up bytes as they are transferred; parts that are sent again are taken back by boto3 before."""
    done, lock = index.bytes - sum(file.bytes for file in absent), threading.Lock()

    def count(bytes_transferred: int) -> None:
        nonlocal done
        with lock:
            done += bytes_transferred
            progress(done, index.bytes)

    return count


@contextlib.contextmanager
def _manager(client: Any) -> Iterator[Any]:
    """All files share its threads; an error, or Ctrl-C, cancels what is under way."""
    with create_transfer_manager(client, TransferConfig(max_concurrency=CONNECTIONS)) as manager:
        yield manager
