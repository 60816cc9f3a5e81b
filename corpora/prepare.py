"""From a corpus URI to a prepared corpus on disk; one that was prepared before is used again."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from common.errors import UserError
from common.hints import did_you_mean
from common.source_code import computed_by
from corpora import cache
from corpora.readers import grid, lrs
from corpora.schema import Clip, Rejected
from corpora.synthetic import talking_mouth as synthetic
from corpora.writer import CorpusWriter

Query = Mapping[str, str]
S3 = "s3"  # prepared corpora elsewhere: not read and cut, but fetched
WRITER = "corpora.writer"


@dataclass(frozen=True)
class Reader:
    """How one scheme is read: by which module, its clips, how many to expect, and what changes when the place's contents do."""

    module: str
    clips: Callable[[str, Query, int], Iterator[Clip | Rejected]]
    count: Callable[[str, Query], int]
    stamp: Callable[[str], str]


def lrs_reader(layout: lrs.Layout) -> Reader:
    """The reader of a corpus in one of LRS's layouts."""
    return Reader(
        module="corpora.readers.lrs",
        clips=lambda place, query, workers: lrs.clips(layout, Path(place), query, workers),
        count=lambda place, query: lrs.count(layout, Path(place), query),
        stamp=lambda place: lrs.stamp(layout, Path(place)),
    )


READERS: dict[str, Reader] = {
    "grid": Reader(
        module="corpora.readers.grid",
        clips=lambda place, query, workers: grid.clips(Path(place), query, workers),
        count=lambda place, query: grid.count(Path(place), query),
        stamp=lambda place: grid.stamp(Path(place)),
    ),
    "lrs2": lrs_reader(lrs.lrs2),
    "lrs3": lrs_reader(lrs.lrs3),
    "synthetic": Reader(
        module="corpora.synthetic.talking_mouth", clips=synthetic.clips, count=synthetic.count, stamp=lambda _: ""
    ),
}


@dataclass(frozen=True)
class Source:
    """A corpus URI, taken apart: `scheme://place?name=value&...`."""

    scheme: str
    place: str
    query: Query

    @classmethod
    def parse(cls, uri: str) -> "Source":
        """Raises UserError for what is no URI of a known scheme, and for a name given twice."""
        scheme, separator, rest = uri.partition("://")
        place, _, query = rest.partition("?")
        if not separator or not place:
            raise UserError(
                "a corpus is a URI, synthetic://talking-mouth, grid://DIR, lrs2://DIR, lrs3://DIR or s3://bucket/prefix; "
                f"got {uri!r}"
            )
        if scheme not in READERS:
            raise UserError(f"no corpus scheme {scheme!r}{did_you_mean(scheme, [*READERS, S3])}")
        pairs = parse_qsl(query, keep_blank_values=True)
        for name, value in pairs:
            if [other for other, _ in pairs].count(name) > 1:
                raise UserError(f"a corpus option is given once; {uri} has {name}= more than once (e.g. {value!r})")
        return cls(scheme, place, dict(pairs))

    def folder(self) -> str:
        """A name that changes with what would be prepared: the options, the source's contents, our readers' code."""
        reader = READERS[self.scheme]
        options = urlencode(sorted(self.query.items()))
        identity = "\n".join(
            (
                self.scheme,
                Path(self.place).name,
                options,
                reader.stamp(self.place),
                computed_by((reader.module, WRITER)),
            )
        )
        word = re.sub(r"[^a-z0-9]+", "-", Path(self.place).name.lower()).strip("-") or "corpus"
        return f"{self.scheme}-{word}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


def prepare(
    uri: str,
    root: Path,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Path:
    """The folder below `root` with the prepared corpus. `workers` defaults to the number of cores.

    `progress(done, total)` is called after every clip; for s3://, it counts bytes. Raises UserError; nothing half-written
    is left then, but for files from S3 that have arrived whole. The folder keeps to `cache`'s bound.
    """
    if uri.startswith(f"{S3}://"):
        from corpora.s3.transfer import pull

        return pull(uri, root, progress)
    source, limit = Source.parse(uri), cache.bound()
    reader = READERS[source.scheme]
    total = reader.count(source.place, source.query)
    path = root / source.folder()
    if cache.has(path):
        progress(total, total)
        return path
    with CorpusWriter(path, uri) as writer:
        found = reader.clips(source.place, source.query, workers or os.cpu_count() or 1)
        for done, clip in enumerate(found, start=1):
            if isinstance(clip, Rejected):
                writer.reject(clip)
            else:
                writer.add(clip)
            progress(done, total)
    if limit is not None:
        cache.shrink(root, limit)
    return path


def check(uri: str, *, here: bool) -> None:
    """Raises UserError for what cannot be a corpus; with `here`, also for one that this machine cannot find."""
    if uri.startswith(f"{S3}://"):
        from corpora.s3.place import Place
        from corpora.s3.transfer import find

        find(uri) if here else Place.parse(uri)
        return
    source = Source.parse(uri)
    if here or source.scheme == "synthetic":
        READERS[source.scheme].count(source.place, source.query)
