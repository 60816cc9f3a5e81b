"""From a corpus URI to a prepared corpus on disk. A corpus that was prepared before is used again."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import numpy as np

from common.disk import explained, make_folder
from common.errors import UserError
from common.external import external
from common.hints import did_you_mean
from common.source_code import computed_by
from corpora import cache
from corpora.checked import make_way, remember_written
from corpora.readers.reader import Query, Reader
from corpora.readers.registry import READERS, S3, examples, schemes
from corpora.schema import SPLITS, Clip, Rejected, sha256
from corpora.writer import CorpusWriter

WRITER = "corpora.writer"
NOTHING = np.zeros(0)


@dataclass(frozen=True)
class Source:
    """The parts of a corpus URI: `scheme://place?name=value&...`."""

    scheme: str
    place: str
    query: Query

    @classmethod
    def parse(cls, uri: str) -> "Source":
        """Raises UserError for a text that is not a URI, for an unknown scheme, and for an option given twice."""
        scheme, separator, rest = uri.partition("://")
        place, _, query = rest.partition("?")
        if not separator or not place:
            raise UserError(f"a corpus is a URI, {examples()}; got {uri!r}")
        if found := external(uri):
            raise UserError(
                f"{found.uri} is known to a recipe's own toolkit only, so there is nothing to prepare; give it as the corpus of a "
                "plan whose recipe trains on data of its own"
            )
        if scheme not in READERS:
            raise UserError(f"no corpus scheme {scheme!r}{did_you_mean(scheme, schemes())}")
        pairs = parse_qsl(query, keep_blank_values=True)
        for name, value in pairs:
            if [other for other, _ in pairs].count(name) > 1:
                raise UserError(f"a corpus option is given once; {uri} has {name}= more than once (e.g. {value!r})")
        return cls(scheme, place, dict(pairs))

    @property
    def reader(self) -> Reader:
        """The reader of the scheme."""
        return READERS[self.scheme]

    def folder(self) -> str:
        """Return a name that depends on the options, on the files of the source, and on the code that prepares them."""
        options = urlencode(sorted(self.query.items()))
        name, stamp = Path(self.place).name, self.reader.stamp(self.place)
        code = computed_by((self.reader.module, WRITER))
        identity = "\n".join((self.scheme, name, options, stamp, code))
        word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "corpus"
        return f"{self.scheme}-{word}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


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
    source, limit = Source.parse(uri), cache.bound()
    total = source.reader.count(source.place, source.query)
    path = root / source.folder()
    if make_way(path):
        progress(total, total)
        return path
    make_folder(root)
    with explained(root):
        cache.sweep(root)
        _write(source, path, uri, workers or os.cpu_count() or 1, lambda done: progress(done, total))
        if limit is not None:
            cache.shrink(root, limit)
    remember_written(path)
    return path


def place_of(uri: str, root: Path) -> Path:
    """Return the folder below `root` in which `prepare` puts the corpus, or finds it. Raises UserError; writes nothing."""
    if uri.startswith(f"{S3}://"):
        from corpora.s3.transfer import place_of as place_of_s3

        return place_of_s3(uri, root)
    source = Source.parse(uri)
    source.reader.count(source.place, source.query)  # refuses a source that is not there
    return root / source.folder()


def _write(source: Source, path: Path, uri: str, workers: int, progress: Callable[[int], None]) -> None:
    with CorpusWriter(path, uri) as writer:
        for done, clip in enumerate(_clips(source, workers), start=1):
            if isinstance(clip, Rejected):
                writer.reject(clip)
            else:
                writer.add(clip)
            progress(done)
        _check_splits(writer, uri)


def _clips(source: Source, workers: int) -> Iterator[Clip | Rejected]:
    """Yield the clips of a reader. One with the picture and sound of a clip in another split is rejected, if it was recorded."""
    first: dict[tuple[str, str], Clip] = {}
    for clip in source.reader.clips(source.place, source.query, workers):
        if source.reader.generated or isinstance(clip, Rejected):
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


def check(uri: str, *, here: bool, needs_video: bool = False) -> None:
    """Raises UserError for a URI that cannot be a corpus; with `here`, also for a corpus that this machine cannot find.

    With `needs_video`, also for a corpus that has no pictures; of one in S3 only its content says so (`check_video`).
    """
    if external(uri):  # its recipe checks more
        return
    if uri.startswith(f"{S3}://"):
        from corpora.s3.place import Place
        from corpora.s3.transfer import find

        find(uri) if here else Place.parse(uri)
        return
    source = Source.parse(uri)
    if needs_video:
        check_video(uri, has_video=source.reader.video)
    if here or source.reader.generated:
        source.reader.count(source.place, source.query)


def check_video(uri: str, *, has_video: bool) -> None:
    """Raises UserError for a corpus without pictures, for a recipe that needs them."""
    if not has_video:
        raise UserError(
            f"this recipe needs pictures of the speaker, and {uri} has only sound; choose a corpus with video"
        )


def check_babble(uri: str, *, utterances: int) -> None:
    """Raises UserError for a corpus with too few training utterances for babble, as `corpora.noise` does once it is mixed."""
    from corpora.noise import TALKERS

    if utterances < TALKERS:
        raise UserError(
            f"babble is mixed from {TALKERS} different training utterances, and {uri} has {utterances}: prepare more, or give "
            "recordings (noise: {babble: DIR})"
        )
