"""Upload prepared corpora to S3 and download them. The transfer manager of boto3 handles parts, threads, retries and checksums.

After an interruption, rerun the same command. Files that are complete and have the right checksum are kept; the others are
transferred again. Parts of a file are not kept, so at most one shard of 461 MB per connection is lost.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from boto3.s3.transfer import ProgressCallbackInvoker, TransferConfig, create_transfer_manager
from botocore.exceptions import ClientError

from common.disk import explained, make_folder
from common.errors import UserError
from corpora import cache
from corpora.checked import make_way, remember_written
from corpora.layout import SHARDS
from corpora.record import Damaged
from corpora.s3.index import NAME, NEEDED, File, Index, digests, index_of, read_index, write_index
from corpora.s3.place import CONNECTIONS, Place, connection, missing
from corpora.shards import size_faults
from corpora.store import Corpus

Progress = Callable[[int, int], None]


def _silent(_done: int, _total: int) -> None:
    """Show no progress."""


def push(folder: Path, uri: str, progress: Progress = _silent) -> int:
    """Upload a prepared corpus to `s3://bucket/prefix`; return the number of files that had to be sent.

    `progress(done, total)` counts bytes. Files of an earlier attempt are used; the index is written last. Raises UserError, also
    for a damaged corpus, and for a place that has another corpus.
    """
    place, corpus = Place.parse(uri), Corpus.open(folder)
    if problems := corpus.verify():
        raise UserError(
            f"a damaged corpus is not pushed; {folder} has {len(problems)} faults, the first: {problems[0]}"
        )
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
            f"{place} has another corpus (fingerprint {found.fingerprint[:12]}, not {index.fingerprint[:12]}), which "
            "studies may rely on: choose another prefix"
        )
    return found is not None


def _has(client: Any, place: Place, file: File) -> bool:
    """Return True if an earlier attempt sent this file. S3 shows an object only when all of it has arrived."""
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
                # S3 computes the checksum of every part too, and refuses a part that changed in transit.
                extra_args={"ChecksumAlgorithm": "SHA256", "Metadata": {"sha256": file.sha256}},
                subscribers=[ProgressCallbackInvoker(count)],
            )
            for file in files
        ]
        for future in sent:
            future.result()


def pull(uri: str, root: Path, progress: Progress = _silent) -> Path:
    """Return the folder below `root` with the corpus of `s3://bucket/prefix`. Download the corpus if it is not there.

    The name of the folder follows from the contents. `progress(done, total)` counts bytes. Raises UserError. Files that have
    arrived whole are then kept in a `.part` folder for the next attempt.
    """
    place = Place.parse(uri)
    with connection(place) as client:
        index = _found(client, place)
        path = root / _folder(index)
        if not make_way(path):
            _into(path, client, place, index, progress)
    progress(index.bytes, index.bytes)
    return path


def place_of(uri: str, root: Path) -> Path:
    """Return the folder below `root` in which `pull` puts the corpus, or finds it."""
    place = Place.parse(uri)
    with connection(place) as client:
        return root / _folder(_found(client, place))


def pull_manifest(uri: str, folder: Path) -> Corpus:
    """Download all files of a corpus but its shards into a new folder, and open it: it has no sound and no pictures."""
    place = Place.parse(uri)
    folder.mkdir(parents=True)
    with connection(place) as client:
        index = _found(client, place)
        small = index.model_copy(update={"files": tuple(file for file in index.files if file.name in NEEDED)})
        _fetch(client, place, small, folder, _silent)
    return Corpus.open(folder, shards=False)


def _folder(index: Index) -> str:
    return f"s3-{index.fingerprint[:16]}"


def _into(path: Path, client: Any, place: Place, index: Index, progress: Progress) -> None:
    """Download a corpus. One process downloads it, the others wait."""
    part = path.with_name(f".{path.name}{cache.PART}")
    make_folder(path.parent)
    cache.sweep(path.parent)
    with cache.alone(part):
        if not cache.has(path):
            with explained(path.parent):
                part.mkdir(exist_ok=True)
                _fetch(client, place, index, part, progress)
                part.rename(path)
            remember_written(path)


def find(uri: str) -> None:
    """Raises UserError if there is no corpus at `s3://bucket/prefix`, or if it cannot be reached."""
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
        return f"{place} has files but no {NAME}, which is written last: the upload was interrupted, so push the corpus again"
    return f"there is no corpus at {place}: upload one with `ablate corpus push FOLDER {place}`, or correct the URI"


def _fetch(client: Any, place: Place, index: Index, part: Path, progress: Progress) -> None:
    """Complete the folder `part`. Check it against the index and against the fingerprint of the corpus."""
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
                subscribers=[ProgressCallbackInvoker(_bounded(count, place, file))],
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
                f"{place}/{file.name} differs from its checksum in {NAME}, so it was changed there: "
                "push the corpus again, under another prefix"
            )
    try:
        corpus = Corpus.open(part, shards=False)
        utterances, _ = corpus.all_utterances, corpus.rejected
    except Damaged as error:
        raise UserError(f"{place} is damaged ({error.fault}): push the corpus again, under another prefix") from error
    faults = size_faults(part, utterances) if len(index.files) > len(NEEDED) else []
    if faults or corpus.fingerprint != index.fingerprint:
        fault = faults[0] if faults else f"it does not have the fingerprint in its {NAME}"
        raise UserError(f"{place} is damaged ({fault}): push the corpus again, under another prefix")


def _bounded(count: Callable[[int], None], place: Place, file: File) -> Callable[[int], None]:
    """Return `count` for one file. It ends a download that grows beyond the size in the index."""
    arrived, lock = 0, threading.Lock()

    def counted(bytes_transferred: int) -> None:
        nonlocal arrived
        with lock:
            arrived += bytes_transferred
        if arrived > file.bytes:
            raise UserError(
                f"{place}/{file.name} has more than the {file.bytes} bytes in {NAME}, so it was changed there: "
                "push the corpus again, under another prefix"
            )
        count(bytes_transferred)

    return counted


def _counter(index: Index, absent: Sequence[File], progress: Progress) -> Callable[[int], None]:
    """Return a function that adds up transferred bytes. boto3 subtracts the bytes of a part before it sends the part again."""
    done, lock = index.bytes - sum(file.bytes for file in absent), threading.Lock()

    def count(bytes_transferred: int) -> None:
        nonlocal done
        with lock:
            done += bytes_transferred
            progress(done, index.bytes)

    return count


@contextlib.contextmanager
def _manager(client: Any) -> Iterator[Any]:
    """Yield a transfer manager, whose threads all files share. An error or Ctrl-C cancels the transfers in progress."""
    with create_transfer_manager(client, TransferConfig(max_concurrency=CONNECTIONS)) as manager:
        yield manager
