"""GRID (Cooke, Barker, Cunningham and Shao 2006): six-word sentences, one speaker a clip, 75 frames at 25 fps.

Splits hold out *sentences*: none of `test` or `valid` is spoken in `train`. With `speakers=disjoint` they hold out
speakers instead. Which ones is decided by a hash of the sentence (the speaker), so it is the same on every machine.

Three things can be wrong with a clip, and each is counted and listed with its reason:
- The file is damaged: missing, another checksum, grey frames, not 75 of them, no sound. This is told from the file alone,
  before splits are drawn, so the next sentence takes a damaged one's place and `test` keeps its size.
- The file is sound but no face is found in it. Which clips these are depends on our face finder, and to leave them out
  of `test` could make it easier; so such a clip in `test` is an error.
- More than 2 % of the clips are left out, for whatever reason: an error too.
`allow_rejected=N` lifts both errors for up to N clips.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from corpora.mouth.cut import Mouths, cut_mouths, interpreter
from corpora.readers.grid_sources import Source, sources
from corpora.readers.media import damage, decode_audio
from corpora.readers.options import Tolerance, hashed, number, size_and_time
from corpora.schema import Clip, Rejected, fit_audio

FRAMES = 75
SENTENCES_HELD_OUT = {"test": 120, "valid": 30}
SPEAKERS_HELD_OUT = {"test": 4, "valid": 2}


@dataclass(frozen=True)
class Options:
    """What the query of a grid:// URI asks for. `test` and `valid` count sentences, or speakers if `by_speaker`."""

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
        """What must not be in two splits."""
        return source.speaker if self.by_speaker else source.text


def count(folder: Path, query: Mapping[str, str]) -> int:
    """How many clips `clips` will speak of. Raises UserError as it does."""
    return len(sources(folder)[: Options.read(query).limit])


def stamp(folder: Path) -> str:
    """Changes when a clip, its text, or its place among the speakers does; not when the folder is moved."""
    rows = sorted((s.id, s.text, s.sha256 or "", *size_and_time(s.file)) for s in sources(folder))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def clips(folder: Path, query: Mapping[str, str], workers: int) -> Iterator[Clip | Rejected]:
    """Every clip of a GRID folder, or why it is left out. Memory does not grow with the number of clips.

    `query`: test=120, valid=30 (sentences; with speakers=disjoint speakers, 4 and 2), speakers=shared|disjoint,
    limit=N (the first N clips by id), allow_rejected=N. Raises UserError, before the work where it can.
    """
    options = Options.read(query)
    found = sources(folder)[: options.limit]
    draw_splits([options.held_out(source) for source in found], options.test, options.valid)
    interpreter()
    tolerate = Tolerance(len(found), options.allow_rejected)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        faults = dict(zip((source.id for source in found), pool.map(_fault, found), strict=True))
    for id_, fault in faults.items():
        if fault is not None:
            yield tolerate(Rejected(id_, fault, ""))
    sound = [source for source in found if faults[source.id] is None]
    yield from _cut(sound, options, workers, tolerate)


def _cut(
    sound: Sequence[Source], options: Options, workers: int, tolerate: Callable[[Rejected], Rejected]
) -> Iterator[Clip | Rejected]:
    splits = draw_splits([options.held_out(source) for source in sound], options.test, options.valid)
    for source, mouths in zip(sound, cut_mouths([source.file for source in sound], workers), strict=True):
        made = _clip(source, mouths, splits[options.held_out(source)])
        yield tolerate(made) if isinstance(made, Rejected) else made


def draw_splits(held_out: Sequence[str], test: int, valid: int) -> dict[str, str]:
    """What is held out (sentences or speakers) -> its split: by hash the first `test`, then `valid`, then `train`.

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
    audio = fit_audio(decode_audio(source.file), FRAMES)
    return Clip(source.id, source.speaker, split, source.text, mouths.crops, audio)
