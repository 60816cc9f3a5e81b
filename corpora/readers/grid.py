"""GRID (Cooke, Barker, Cunningham and Shao 2006): six-word sentences, one speaker per clip, 75 frames at 25 fps.

The splits hold out *sentences*: no sentence of `test` or `valid` is spoken in `train`. With `speakers=disjoint` they hold out
speakers instead. A hash of the sentence (or of the speaker) decides, so the splits are the same on every machine.

Two things can be wrong with a clip. Both are counted and listed with their reason:
- The file is damaged: it is missing, has another checksum, grey frames, not 75 frames, or no audio. The file alone shows this,
  before the splits are drawn. So the next sentence takes the place of a damaged one, and `test` keeps its size.
- The file is intact, but no face is found in it. These clips depend on our face finder, and without them `test` could become
  easier. So such a clip in `test` is an error.
A clip with the content of another clip is kept if both have the same words and are in the same split. If the words differ, both are
left out; if only the splits differ, the one that is not in `test`.
It is also an error if more than 2 % of the clips are left out, for any reason. `allow_rejected=N` permits up to N such clips and
lifts both errors.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.normalise import normalise
from corpora.mouth.cut import Mouths, cut_mouths, interpreter
from corpora.readers.copies import Entry, contradictions
from corpora.readers.grid_sources import Source, sources
from corpora.readers.media import damage, sound_of
from corpora.readers.options import Tolerance, hashed, number, size_and_time
from corpora.schema import Clip, Rejected

FRAMES = 75
SENTENCES_HELD_OUT = {"test": 120, "valid": 30}
SPEAKERS_HELD_OUT = {"test": 4, "valid": 2}


@dataclass(frozen=True)
class Options:
    """The options of a grid:// URI. `test` and `valid` count sentences, or speakers if `by_speaker`."""

    test: int
    valid: int
    by_speaker: bool
    limit: int | None
    allow_rejected: int | None

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Options":
        """Raises UserError for an unknown name or a value out of range."""
        known = ("test", "valid", "speakers", "limit", "allow_rejected")
        for name in query:
            if name not in known:
                raise UserError(f"grid:// takes {', '.join(known)}; got {name}={query[name]}")
        speakers = query.get("speakers", "shared")
        if speakers not in ("shared", "disjoint"):
            raise UserError(f"speakers= is shared or disjoint, got {speakers!r}")
        defaults = SPEAKERS_HELD_OUT if speakers == "disjoint" else SENTENCES_HELD_OUT
        return cls(
            test=number(query, "test", least=1) or defaults["test"],
            valid=number(query, "valid", least=1) or defaults["valid"],
            by_speaker=speakers == "disjoint",
            limit=number(query, "limit", least=1),
            allow_rejected=number(query, "allow_rejected", least=0),
        )

    def held_out(self, source: Source) -> str:
        """Return what must not be in two splits: the speaker, or the sentence without its punctuation."""
        return source.speaker if self.by_speaker else normalise(source.text)


def count(folder: str, query: Mapping[str, str]) -> int:
    """Return the number of items that `clips` yields. Raises UserError as `clips` does."""
    return len(sources(Path(folder))[: Options.read(query).limit])


def stamp(folder: str) -> str:
    """Return a text that changes when a clip, its text or its speaker changes, and not when the folder moves."""
    rows = sorted((s.id, s.text, s.sha256 or "", *size_and_time(s.file)) for s in sources(Path(folder)))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def clips(folder: str, query: Mapping[str, str], workers: int) -> Iterator[Clip | Rejected]:
    """Yield every clip of a GRID folder, or the reason why it is left out. Memory does not grow with the number of clips.

    `query`: test=120, valid=30 (sentences; with speakers=disjoint these are speakers, 4 and 2), speakers=shared|disjoint,
    limit=N (the first N clips by id), allow_rejected=N. Raises UserError, before the work where possible.
    """
    options = Options.read(query)
    found = sources(Path(folder))[: options.limit]
    draw_splits([options.held_out(source) for source in found], options.test, options.valid)
    interpreter()
    tolerate = Tolerance(len(found), options.allow_rejected)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        faults = dict(zip((source.id for source in found), pool.map(_fault, found), strict=True))
    yield from tolerate.all([Rejected(id_, fault, "") for id_, fault in faults.items() if fault is not None])
    intact = [source for source in found if faults[source.id] is None]
    splits = draw_splits([options.held_out(source) for source in intact], options.test, options.valid)
    entries = [Entry(s.id, s.file, normalise(s.text), splits[options.held_out(s)]) for s in intact]
    copies = contradictions(entries, workers)
    yield from tolerate.all(list(copies.values()))
    yield from _cut([source for source in intact if source.id not in copies], splits, options, workers, tolerate)


def _cut(
    intact: Sequence[Source],
    splits: Mapping[str, str],
    options: Options,
    workers: int,
    tolerate: Callable[[Rejected], Rejected],
) -> Iterator[Clip | Rejected]:
    for source, mouths in zip(intact, cut_mouths([source.file for source in intact], workers), strict=True):
        made = _clip(source, mouths, splits[options.held_out(source)])
        yield tolerate(made) if isinstance(made, Rejected) else made


def draw_splits(held_out: Sequence[str], test: int, valid: int) -> dict[str, str]:
    """Return sentence (or speaker) -> split. In the order of their hashes the first go to `test`, then `valid`, then `train`.

    Raises UserError where nothing is left to train on.
    """
    ordered = sorted(set(held_out), key=hashed)
    if len(ordered) <= test + valid:
        raise UserError(
            f"sentences (or speakers) for test, valid and train must differ; {len(ordered)} cannot give {test} for test, "
            f"{valid} for valid and some to train on: lower them, as in grid://DIR?test=N&valid=N"
        )
    names = ["test"] * test + ["valid"] * valid + ["train"] * (len(ordered) - test - valid)
    return dict(zip(ordered, names, strict=True))


def _fault(source: Source) -> str | None:
    if not source.file.is_file():
        return "file is missing"
    if source.sha256 and hashlib.sha256(source.file.read_bytes()).hexdigest() != source.sha256.lower():
        return "sha256 differs from the one in clips.csv"
    return damage(source.file, FRAMES)


def _clip(source: Source, mouths: Mouths, split: str) -> Clip | Rejected:
    if mouths.crops is None:
        return Rejected(source.id, mouths.reason or "no mouths", split)
    audio = sound_of(source.file, mouths.start_s, FRAMES)
    if isinstance(audio, str):
        return Rejected(source.id, audio, split)
    return Clip(source.id, source.speaker, split, source.text, mouths.crops[:FRAMES], audio)
