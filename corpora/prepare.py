"""From a corpus URI to a prepared corpus on disk. A corpus that was prepared before is used again."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from common.disk import explained, make_folder
from common.errors import UserError
from common.source_code import computed_by
from corpora import cache
from corpora.address import Address
from corpora.checked import make_way, remember_written
from corpora.readers.registry import S3
from corpora.schema import SPLITS, Clip, Rejected, sha256
from corpora.writer import CorpusWriter

WRITER = "corpora.writer"
NOTHING = np.zeros(0)


def prepare(
    uri: str,
    root: Path,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """Return the folder below `root` with the prepared corpus. `workers` defaults to the number of cores.

    `progress(done, total)` is called after every clip; for s3://, it counts bytes. Raises UserError. An error leaves no
    half-written corpus, but files from S3 that have arrived whole are kept. The folder keeps the size bound of `cache`. A corpus
    that is there is checked first: every byte once, then by the record of that check. A damaged one is prepared again.
    """
    if uri.startswith(f"{S3}://"):
        from corpora.s3.transfer import pull

        return pull(uri, root, progress)
    address, limit = Address.parse(uri), cache.bound()
    total = address.reader.count(address.place, address.query)
    path = root / _folder(address)
    if make_way(path):
        progress(total, total)
        return path
    make_folder(root)
    with explained(root):
        cache.sweep(root)
        _write(address, path, uri, workers or os.cpu_count() or 1, lambda done: progress(done, total))
        if limit is not None:
            cache.shrink(root, limit)
    remember_written(path)
    return path


def place_of(uri: str, root: Path) -> Path:
    """Return the folder below `root` in which `prepare` puts the corpus, or finds it. Raises UserError; writes nothing."""
    if uri.startswith(f"{S3}://"):
        from corpora.s3.transfer import place_of as place_of_s3

        return place_of_s3(uri, root)
    address = Address.parse(uri)
    address.reader.count(address.place, address.query)  # refuses a source that is not there
    return root / _folder(address)


def _write(address: Address, path: Path, uri: str, workers: int, progress: Callable[[int], None]) -> None:
    with CorpusWriter(path, uri) as writer:
        for done, clip in enumerate(_clips(address, workers), start=1):
            if isinstance(clip, Rejected):
                writer.reject(clip)
            else:
                writer.add(clip)
            progress(done)
        _check_splits(writer, uri)


def _clips(address: Address, workers: int) -> Iterator[Clip | Rejected]:
    """Yield the clips of a reader. One with the picture and sound of a clip in another split is rejected, if it was recorded."""
    first: dict[tuple[str, str], Clip] = {}
    for clip in address.reader.clips(address.place, address.query, workers):
        if address.reader.generated or isinstance(clip, Rejected):
            yield clip
            continue
        known = first.setdefault((sha256(clip.video), sha256(clip.audio)), replace(clip, video=NOTHING, audio=NOTHING))
        reason = f"same picture and sound as {known.id}, which is in {known.split}"
        yield clip if known.split == clip.split else Rejected(clip.id, reason, clip.split)


def _check_splits(writer: CorpusWriter, uri: str) -> None:
    """Raise UserError if a split has no clips. A corpus without any clip is left to the writer."""
    full = {utterance.split for utterance in writer.utterances}
    empty = [split for split in SPLITS if split not in full]
    if full and empty:
        lost = [rejected for rejected in writer.rejected if rejected.split in ("", *empty)]
        why = f" ({lost[0].id} was left out: {lost[0].reason})" if lost else ""
        raise UserError(
            f"a corpus needs clips for train, valid and test; {uri} has none for {' and '.join(empty)}{why}: add clips, or "
            "repair them"
        )


def _folder(address: Address) -> str:
    """Return a name that depends on the options, on the files of the source, and on the code that prepares them."""
    options = urlencode(sorted(address.query.items()))
    name, stamp = Path(address.place).name, address.reader.stamp(address.place)
    code = computed_by((address.reader.module, WRITER))
    identity = "\n".join((address.scheme, name, options, stamp, code))
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "corpus"
    return f"{address.scheme}-{word}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
