"""GRID (Cooke, Barker, Cunningham and Shao 2006): six-word sentences, one speaker a clip, 75 frames at 25 fps.

Read from the official layout (`s1/bbaf2n.mpg`, words in `align/s1/bbaf2n.align`, `s1/align/bbaf2n.align` or in the
file's name), or from a folder with a `clips.csv` (file, speaker, clip, transcript, sha256). Splits hold out
*sentences*: no sentence of `test` or `valid` is spoken in `train`. Which ones is a hash of the sentence. Clips are
checked before the splits are drawn, so a damaged clip never shrinks the test split.
"""

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from ablation.errors import UserError
from corpora.media import decode_audio
from corpora.mouth import Mouths, cut_mouths
from corpora.schema import SAMPLES_PER_FRAME, Clip, Rejected, fit_audio

FRAMES = 75
MOST_SOUND_MISSING = 0.2  # as a share of the clip
VIDEO_SUFFIXES = (".mpg", ".mpeg", ".mkv", ".mp4", ".avi")
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
    """A clip on disk. `sha256` is None where nobody stated it."""

    id: str
    speaker: str
    file: Path
    text: str
    sha256: str | None = None


def sentence(code: str) -> str:
    """The sentence that a GRID file name codes: `bbaf2n` is "bin blue at f two now". UserError for anything else."""
    if len(code) != len(WORDS) or any(letter not in words for letter, words in zip(code, WORDS, strict=True)):
        raise UserError(f"a GRID clip's name codes six words, as bbaf2n does; {code!r} codes none and has no .align")
    return " ".join(words[letter] for letter, words in zip(code, WORDS, strict=True))


def read_align(text: str) -> str:
    """The words of an .align file, whose lines are `start end word`, without its silences."""
    words = [line.split()[2] for line in text.splitlines() if line.strip()]
    return " ".join(word for word in words if word not in ("sil", "sp"))


def sources(folder: Path) -> list[Source]:
    """All clips of a folder, by id. UserError where there are none, or one has no text."""
    if not folder.is_dir():
        raise UserError(f"the corpus folder {folder} does not exist; give grid://DIR with GRID's clips in it")
    found = _listed(folder) if (folder / "clips.csv").is_file() else _official(folder)
    if not found:
        raise UserError(
            f"{folder} holds neither a clips.csv nor sX/*.mpg; give the folder that holds GRID's s1, s2, ..."
        )
    for source in found:
        if not source.text.strip():
            raise UserError(f"clip {source.id} has an empty transcript; write its words or take the clip out")
    return sorted(found, key=lambda source: source.id)


def _listed(folder: Path) -> list[Source]:
    with (folder / "clips.csv").open(newline="") as file:
        rows = csv.DictReader(file)
        missing = {"file", "speaker", "clip", "transcript"} - set(rows.fieldnames or [])
        if missing:
            raise UserError(f"{folder / 'clips.csv'} lacks the columns {sorted(missing)}; it needs file, speaker, ...")
        return [
            Source(
                id=f"{row['speaker']}-{row['clip']}",
                speaker=row["speaker"],
                file=folder / row["file"],
                text=" ".join(row["transcript"].lower().split()),
                sha256=row.get("sha256") or None,
            )
            for row in rows
        ]


def _official(folder: Path) -> list[Source]:
    files = [file for file in folder.glob("s*/*") if file.suffix in VIDEO_SUFFIXES]
    files += [file for file in folder.glob("s*/video/*") if file.suffix in VIDEO_SUFFIXES]
    return [_official_source(folder, file) for file in files]


def _official_source(folder: Path, file: Path) -> Source:
    speaker = file.relative_to(folder).parts[0]
    places = [folder / "align" / speaker, folder / speaker / "align"]
    aligned = [place / f"{file.stem}.align" for place in places]
    text = next((read_align(path.read_text()) for path in aligned if path.is_file()), None)
    return Source(f"{speaker}-{file.stem}", speaker, file, sentence(file.stem) if text is None else text)


def draw_splits(texts: Sequence[str], test: int, valid: int) -> dict[str, str]:
    """Sentence -> split: the first `test` sentences by hash, then `valid`, then the rest. UserError if none is left."""
    ordered = sorted(set(texts), key=lambda text: hashlib.sha256(text.encode()).hexdigest())
    if len(ordered) <= test + valid:
        raise UserError(
            f"{len(ordered)} sentences cannot give {test} for test and {valid} for valid and leave some to train on; "
            "lower them: grid://DIR?test=N&valid=N"
        )
    return {
        text: "test" if place < test else "valid" if place < test + valid else "train"
        for place, text in enumerate(ordered)
    }


def clips(folder: Path, query: Mapping[str, str], workers: int) -> Iterator[Clip | Rejected]:
    """Read a GRID folder. `query`: test=120, valid=30 (numbers of sentences), limit=N (only the first N clips)."""
    unknown = set(query) - {"test", "valid", "limit"}
    if unknown:
        raise UserError(f"grid:// takes test=, valid= and limit=, got {sorted(unknown)[0]}=")
    test, valid = _number(query, "test", 120), _number(query, "valid", 30)
    found = sources(folder)[: _number(query, "limit", 0) or None]
    draw_splits([source.text for source in found], test, valid)  # refuses early; the real draw is among sound clips
    yield from _with_splits(list(_sound_or_not(found, workers)), test, valid)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name, str(default))
    if not value.isdigit():
        raise UserError(f"{name}= takes a whole number, got {value!r}")
    return int(value)


def _with_splits(found: list[Clip | Rejected], test: int, valid: int) -> Iterator[Clip | Rejected]:
    splits = draw_splits([item.text for item in found if isinstance(item, Clip)], test, valid)
    for item in found:
        if isinstance(item, Clip):
            item.split = splits[item.text]
        yield item


def _sound_or_not(found: Sequence[Source], workers: int) -> Iterator[Clip | Rejected]:
    by_file = {source.file: source for source in found}
    faults = {source.file: _file_fault(source) for source in found}
    for source in found:
        if (fault := faults[source.file]) is not None:
            yield Rejected(source.id, fault, "")
    for mouths in cut_mouths([file for file, fault in faults.items() if fault is None], workers):
        yield _clip(by_file[mouths.file], mouths)


def _file_fault(source: Source) -> str | None:
    if not source.file.is_file():
        return "file is missing"
    if source.sha256 and hashlib.sha256(source.file.read_bytes()).hexdigest() != source.sha256:
        return "sha256 differs from the one in clips.csv"
    return None


def _clip(source: Source, mouths: Mouths) -> Clip | Rejected:
    if mouths.frames not in (0, FRAMES):
        return Rejected(source.id, f"{mouths.frames} frames; GRID clips have {FRAMES}", "")
    if mouths.crops is None:
        return Rejected(source.id, mouths.reason or "no mouths", "")
    samples = mouths.frames * SAMPLES_PER_FRAME
    try:
        audio = decode_audio(source.file)
    except (av.error.FFmpegError, IndexError) as error:
        return Rejected(source.id, f"no sound: {error}", "")
    if len(audio) < (1 - MOST_SOUND_MISSING) * samples or not np.any(audio):
        return Rejected(source.id, f"sound is {len(audio)} samples long or silent; {samples} wanted", "")
    return Clip(source.id, source.speaker, "train", source.text, mouths.crops, fit_audio(audio, mouths.frames))
