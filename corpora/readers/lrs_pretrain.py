"""The pre-training part of LRS2 and LRS3: long clips with the time of every word, cut between words into utterances.

`pretrain/ID/00001.txt` has a line `Text:` and, after a line `WORD START END ASDSCORE`, one row per word with its times in seconds.
A clip is divided at its longest pause until every part lasts at most `LONGEST_S`. A part begins half-way to the word before it and
ends half-way to the word after it, at most `MARGIN_S` away from its own words. All parts are in `train`.

The clips of a broadcast or video (an ID) that is also in `valid` or `test` are not used, because they can show the same sentences.
"""

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from common.errors import UserError
from corpora.readers.options import hashed, number, size_and_time
from corpora.readers.text_files import lines, read_text
from corpora.schema import FPS, SAMPLES_PER_FRAME, Clip, Rejected

LONGEST_S = 15.0
LONGEST_CLIP_S = 600.0  # before it is divided
MARGIN_S = 0.5
HEADER = ["WORD", "START", "END"]
ALL = "all"
LATE_FRAMES = 2  # the last word may end this much after the last frame: times are rounded

Clean = Callable[[str], str]  # the words of a text, as the other clips of the corpus have them


@dataclass(frozen=True)
class Word:
    """A word and its times in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Part:
    """An utterance: frames `first` to `last`, exclusive, of the clip in `file`."""

    id: str
    file: Path
    text: str
    first: int
    last: int


def files(folder: Path) -> list[Path]:
    """Return the clips of `pretrain`, by name; [] without that folder."""
    found = (file for file in (folder / "pretrain").glob("*/*") if file.suffix.lower() == ".mp4")
    return sorted(file for file in found if not file.name.startswith("."))


def chosen(folder: Path, limit: str | None, held_out: Collection[str], clean: Clean) -> list[Part | Rejected]:
    """Return the parts of the clips that are used, or the reason why a clip is not.

    `limit` is the option `pretrain`: None for no clips, "all", or at most so many clips, those whose names have the smallest
    hashes. `held_out` are IDs whose clips are not used. Raises UserError for another limit, and for a folder without such clips.
    """
    if limit is None:
        return []
    most = None if limit == ALL else number({"pretrain": limit}, "pretrain", least=1)
    found = [file for file in files(folder) if file.parent.name not in held_out]
    if not found:
        raise UserError(
            f"pretrain={limit} takes the clips pretrain/ID/00001.mp4, and {folder} has none that can be used; leave it out"
        )
    first = sorted(found, key=lambda file: hashed(_name(file)))[:most]
    return list(itertools.chain.from_iterable(_parts(file, clean) for file in sorted(first)))


def rows(folder: Path) -> list[tuple[str, str, int, int, int, int]]:
    """Return the name, size and time of every clip and of its words, for the stamp of a corpus."""
    return [
        (_name(file), "pretrain", *size_and_time(file), *size_and_time(file.with_suffix(".txt")))
        for file in files(folder)
    ]


def _name(file: Path) -> str:
    return f"{file.parent.name}-pretrain-{file.stem}"


def _parts(file: Path, clean: Clean) -> list[Part | Rejected]:
    try:
        words = _words(file, clean)
    except _Unusable as error:
        return [Rejected(_name(file), str(error), "train")]
    parts = []
    for number_, (first, last) in enumerate(_spans(words)):
        start, end = (round(FPS * at) for at in _bounds(words, first, last))
        text = " ".join(word.text for word in words[first:last])
        parts.append(Part(f"{_name(file)}-{number_:02d}", file, text, start, end))
    return list(parts)


class _Unusable(ValueError):
    """The words of a clip cannot be used. The text is the reason."""


def _words(file: Path, clean: Clean) -> list[Word]:
    """Return the words of a clip in the order of their times. Raises _Unusable."""
    path = file.with_suffix(".txt")
    try:
        rows_ = lines(read_text(path)) if path.is_file() else []
    except UserError as error:
        raise _Unusable(str(error)) from None
    begin = next((n for n, line in enumerate(rows_) if line.split()[:3] == HEADER), None)
    spoken = next((line for line in rows_ if line.startswith("Text:")), None)
    if begin is None or spoken is None:
        raise _Unusable(f"{path.name} has no {'line Text:' if spoken is None else 'word times after WORD START END'}")
    table = list(itertools.takewhile(str.strip, rows_[begin + 1 :]))
    words = [_word(path, number_, line) for number_, line in enumerate(table, begin + 2)]
    for before, after in itertools.pairwise(words):
        if after.start < before.end - 1 / FPS:
            raise _Unusable(f"the times of {before.text!r} and {after.text!r} in {path.name} overlap")
    said = [replace(word, text=clean(word.text)) for word in words]
    kept = [word for word in said if word.text]
    if not kept:
        raise _Unusable("empty transcript")
    if " ".join(word.text for word in kept) != clean(spoken.removeprefix("Text:")):
        raise _Unusable(f"the words with times in {path.name} are not those of its line Text:")
    return kept


def _word(path: Path, number_: int, line: str) -> Word:
    fields = line.split()
    try:
        text, start, end = fields[0], float(fields[1]), float(fields[2])
    except (IndexError, ValueError):
        raise _Unusable(f"line {number_} of {path.name} is not WORD START END: {line.strip()[:60]!r}") from None
    if not (math.isfinite(end) and 0 <= start <= end):
        raise _Unusable(f"line {number_} of {path.name} has the times {fields[1]} to {fields[2]}")
    return Word(text, start, end)


def _spans(words: Sequence[Word]) -> list[tuple[int, int]]:
    """Return the words of every part, first to last, exclusive: whole, or divided at the longest pause."""
    parts, waiting = [], [(0, len(words))]
    while waiting:
        first, last = waiting.pop()
        start, end = _bounds(words, first, last)
        if end - start <= LONGEST_S or last - first == 1:
            parts.append((first, last))
            continue
        middle = (words[first].start + words[last - 1].end) / 2
        pauses = range(first + 1, last)  # of two pauses of the same length, the one nearer to the middle
        at = max(pauses, key=lambda n: (round(words[n].start - words[n - 1].end, 2), -abs(words[n].start - middle)))
        waiting += [(first, at), (at, last)]
    return sorted(parts)


def _bounds(words: Sequence[Word], first: int, last: int) -> tuple[float, float]:
    """Return where a part begins and ends, in seconds."""
    begin, end = words[first].start, words[last - 1].end
    before = (words[first - 1].end + begin) / 2 if first else 0.0
    after = (words[last].start + end) / 2 if last < len(words) else math.inf
    return max(before, begin - MARGIN_S), min(after, end + MARGIN_S)


def cut(part: Part, whole: Clip | str) -> Clip | Rejected:
    """Return a part of a clip; a text instead of the clip is the reason why it is left out."""
    if isinstance(whole, str):
        return Rejected(part.id, whole, "train")
    frames, longest = len(whole.video), math.ceil(FPS * (LONGEST_S + 2 * MARGIN_S))
    if part.last - part.first > longest:
        return Rejected(part.id, f"a single word lasts longer than {LONGEST_S:g} s", "train")
    last_word = part.last - round(FPS * MARGIN_S)
    if part.first >= frames or last_word > frames + LATE_FRAMES:
        return Rejected(part.id, f"its words end at frame {last_word}, and the clip has {frames} frames", "train")
    video = whole.video[part.first : part.last]
    audio = whole.audio[part.first * SAMPLES_PER_FRAME : (part.first + len(video)) * SAMPLES_PER_FRAME]
    if not np.any(audio):
        return Rejected(part.id, "sound is silence", "train")
    return Clip(part.id, whole.speaker, "train", part.text, video, audio)


def by_file(items: Sequence[Part | Rejected]) -> Iterator[tuple[Path | None, list[Part | Rejected]]]:
    """Yield the parts of one clip after another; None in place of the file for a clip that is not used."""
    for file, found in itertools.groupby(items, key=lambda item: item.file if isinstance(item, Part) else None):
        yield file, list(found)
