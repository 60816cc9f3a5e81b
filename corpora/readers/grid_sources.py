"""The clips of a GRID folder and their words, for both layouts. No clip is opened."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.normalise import normalise, written
from corpora.readers.clips_table import SHA256, find_table, read_table
from corpora.readers.text_files import lines, read_text

VIDEO_SUFFIXES = (".mpg", ".mpeg", ".mkv", ".mp4", ".avi")
ALIGN_SUFFIX = ".align"
SILENCES = ("sil", "sp")
DEPTH = 2  # folders between a speaker and its clips
WORDS: tuple[dict[str, str], ...] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    {
        **{"z": "zero", "1": "one", "2": "two", "3": "three", "4": "four"},
        **{"5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine"},
    },
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


@dataclass(frozen=True)
class Source:
    """A clip on disk. `sha256` is None if clips.csv does not state it. `place` is where its words are, for errors."""

    id: str
    speaker: str
    file: Path
    text: str
    sha256: str | None = None
    place: str = ""


def sources(folder: Path) -> list[Source]:
    """Return all clips of a folder, by id. Raises UserError if there are none, one has no text, or two have the same id."""
    if not folder.is_dir():
        raise UserError(f"the corpus folder {folder} does not exist; give grid://DIR, a folder with GRID's clips")
    table = find_table(folder)
    found = _listed(folder, table) if table else _official(folder)
    if not found:
        raise UserError(
            f"{folder} has neither a clips.csv with clips nor sX/*.mpg; give the folder that has GRID's s1, s2, ..."
        )
    for source in found:
        if not normalise(source.text):
            raise UserError(
                f"clip {source.id} has an empty transcript, without letters and digits ({source.place}); add its words or remove "
                "the clip"
            )
    id_, times = Counter(source.id for source in found).most_common(1)[0]
    if times > 1:
        raise UserError(f"each clip of a speaker occurs once; {id_} occurs {times} times: remove the copies")
    return sorted(found, key=lambda source: source.id)


def sentence(code: str) -> str:
    """Return the sentence that a GRID file name encodes: `bbaf2n` is "bin blue at f two now". Raises UserError for other names."""
    if len(code) != len(WORDS) or any(letter not in words for letter, words in zip(code, WORDS, strict=True)):
        raise UserError(
            f"the name of a GRID clip encodes six words, as bbaf2n does; {code!r} does not and has no .align file: add one"
        )
    return " ".join(words[letter] for letter, words in zip(code, WORDS, strict=True))


def read_align(path: Path) -> str:
    """Return the words of an .align file without silences. Its lines are `start end word`. Raises UserError for other lines."""
    rows = [(number, line.split()) for number, line in enumerate(lines(read_text(path)), 1) if line.strip()]
    for number, row in rows:
        if len(row) != 3:
            raise UserError(
                f"a line of an .align file is `start end word`; line {number} of {path} is {' '.join(row)[:60]!r}: correct it"
            )
    return written(" ".join(word for _, (_, _, word) in rows if word.lower() not in SILENCES))


def _listed(folder: Path, table: Path) -> list[Source]:
    return [
        Source(
            id=f"{row['speaker'].strip()}-{row['clip'].strip()}",
            speaker=row["speaker"].strip(),
            file=folder / row["file"].strip(),
            text=written(row["transcript"]),
            sha256=(row.get(SHA256) or "").strip() or None,
            place=f"line {line} of {table}",
        )
        for line, row in read_table(table)
    ]


def _official(folder: Path) -> list[Source]:
    speakers = [place for place in _folders(folder) if re.fullmatch(r"s\d+", place.name.lower())]
    aligned = _alignments(folder, speakers)
    return [_official_source(speaker.name.lower(), file, aligned) for speaker in speakers for file in _videos(speaker)]


def _official_source(speaker: str, file: Path, aligned: Mapping[tuple[str, str], Path]) -> Source:
    code = file.stem.lower()
    path = aligned.get((speaker, code)) or aligned.get(("", code))
    text = sentence(code) if path is None else read_align(path)
    return Source(f"{speaker}-{code}", speaker, file, text, place=str(path or file))


def _videos(speaker: Path) -> list[Path]:
    """Return the clips of a speaker: in its folder, or in one or two folders below it, as `video` and `video/mpg_6000`."""
    places, parents = [speaker], [speaker]
    for _ in range(DEPTH):
        parents = [place for parent in parents for place in _folders(parent) if not _contains(place, speaker)]
        places += parents
    files = [file for place in places for file in _visible(place) if file.suffix.lower() in VIDEO_SUFFIXES]
    return list({(file.stem, os.path.realpath(file)): file for file in files}.values())


def _contains(folder: Path, speaker: Path) -> bool:
    """Return True for a link to the speaker's folder or to one above it, which is no place of its clips."""
    return speaker.resolve().is_relative_to(os.path.realpath(folder))


def _alignments(folder: Path, speakers: Sequence[Path]) -> dict[tuple[str, str], Path]:
    """Return (speaker, name) -> .align file; the speaker is "" for files of all speakers in one folder.

    A folder whose name begins with `align` (`align`, `alignments`) is next to the speakers, with or without a folder for each, or
    in the speaker's folder. Files may also be next to the clips. The same name always means the same sentence.
    """
    shared = _align_folders(folder)
    found = {("", file.stem.lower()): file for place in shared for file in _align_files(place)}
    for speaker in speakers:
        own = [place for each in shared for place in _folders(each) if place.name.lower() == speaker.name.lower()]
        for place in [speaker, *_align_folders(speaker), *own]:  # the last one counts
            found |= {(speaker.name.lower(), file.stem.lower()): file for file in _align_files(place)}
    return found


def _align_folders(folder: Path) -> list[Path]:
    return [place for place in _folders(folder) if place.name.lower().startswith("align")]


def _align_files(folder: Path) -> list[Path]:
    return [file for file in _visible(folder) if file.suffix.lower() == ALIGN_SUFFIX]


def _folders(folder: Path) -> list[Path]:
    files = (*VIDEO_SUFFIXES, ALIGN_SUFFIX)
    return [place for place in _visible(folder) if place.suffix.lower() not in files and place.is_dir()]


def _visible(folder: Path) -> list[Path]:
    """Return what is in a folder, by name, without hidden files such as macOS's `._bbaf2n.mpg`."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
