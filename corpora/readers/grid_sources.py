"""The clips of a GRID folder and their words, for both layouts. No clip is opened."""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError

VIDEO_SUFFIXES = (".mpg", ".mpeg", ".mkv", ".mp4", ".avi")
COLUMNS = ("file", "speaker", "clip", "transcript")
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
    """A clip on disk. `sha256` is None if clips.csv does not state it."""

    id: str
    speaker: str
    file: Path
    text: str
    sha256: str | None = None


def sources(folder: Path) -> list[Source]:
    """Return all clips of a folder, by id. Raises UserError if there are none, one has no text, or two have the same id."""
    if not folder.is_dir():
        raise UserError(f"the corpus folder {folder} does not exist; give grid://DIR, a folder with GRID's clips")
    found = _listed(folder) if (folder / "clips.csv").is_file() else _official(folder)
    if not found:
        raise UserError(
            f"{folder} has neither a clips.csv with clips nor sX/*.mpg; give the folder that has GRID's s1, s2, ..."
        )
    for source in found:
        if not source.text:
            raise UserError(f"clip {source.id} has an empty transcript; add its words or remove the clip")
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
    lines = [line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    for line in lines:
        if len(line) != 3:
            raise UserError(f"a line of an .align file is `start end word`; {path} has {' '.join(line)!r}: correct it")
    return " ".join(word.lower() for _, _, word in lines if word not in ("sil", "sp"))


def _listed(folder: Path) -> list[Source]:
    table = folder / "clips.csv"
    with table.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or [])]
        if missing:
            raise UserError(
                f"clips.csv needs the columns {', '.join(COLUMNS)}; {table} lacks {', '.join(missing)}: add them"
            )
        return [
            Source(
                id=f"{row['speaker']}-{row['clip']}",
                speaker=row["speaker"],
                file=folder / row["file"],
                text=" ".join((row["transcript"] or "").lower().split()),
                sha256=row.get("sha256") or None,
            )
            for row in rows
        ]


def _official(folder: Path) -> list[Source]:
    speakers = [place for place in folder.iterdir() if place.is_dir() and re.fullmatch(r"s\d+", place.name)]
    files = [file for speaker in speakers for place in (speaker, speaker / "video") for file in place.glob("*")]
    return [_official_source(folder, file) for file in files if file.suffix in VIDEO_SUFFIXES]


def _official_source(folder: Path, file: Path) -> Source:
    speaker = file.relative_to(folder).parts[0]
    # Next to the speakers, in the speaker's folder, or all in one folder: the same name always means the same sentence.
    places = [folder / "align" / speaker, folder / speaker / "align", folder / "align"]
    aligned = [place / f"{file.stem}.align" for place in places]
    text = next((read_align(path) for path in aligned if path.is_file()), None)
    return Source(f"{speaker}-{file.stem}", speaker, file, sentence(file.stem) if text is None else text)
