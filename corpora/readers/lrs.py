"""LRS2-BBC (Afouras, Chung, Senior, Vinyals and Zisserman 2018) and LRS3-TED (Afouras, Chung and Zisserman 2018), as published.

- lrs2://DIR: DIR holds `main/ID/00001.mp4` with a .txt beside each; `train.txt`, `val.txt` and `test.txt` list the clips of
  the splits. They lie in DIR or beside it.
- lrs3://DIR: DIR holds `trainval/ID/00001.mp4` and `test/ID/00001.mp4`, each with its .txt. It has no list for validation:
  one ID in 27 of `trainval` is held out by a hash of the ID, about 1200 of the 32 000 clips.

`pretrain` is left out of both: it has most of the hours, but in long clips that would have to be cut at words. A clip's speaker
is its folder: a broadcast (LRS2) or a YouTube video (LRS3), so one person can be several speakers.

The test split is the published one, so a clip of it that cannot be used (no face found, damaged, no words) is an error, and so
are more than 2 % of all; `allow_rejected=N` lifts both for up to N clips. What is left out is listed with its reason.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from common.errors import UserError
from corpora.mouth.cut import Mouths, cut_mouths, interpreter
from corpora.readers.media import decode_audio, frame_rate, sound_damage
from corpora.readers.options import Tolerance, hashed, number, size_and_time
from corpora.schema import FPS, Clip, Rejected, fit_audio

LISTS = {"test": "test.txt", "valid": "val.txt", "train": "train.txt"}  # LRS2's; `test` first: it forgives least
OPTIONS = (*LISTS, "allow_rejected")
VALID_IS_ONE_IN = 27
RATE_MAY_BE_OFF = 0.01  # as a share; containers round


@dataclass(frozen=True)
class Place:
    """A clip on disk, and its split. `file` is the video; the words are in the .txt beside it."""

    split: str
    file: Path

    @property
    def speaker(self) -> str:
        return self.file.parent.name

    @property
    def id(self) -> str:
        return f"{self.speaker}-{self.file.stem}"

    def text(self) -> str:
        """The words, in lower case, without the braces that mark some of them. UserError without a line of `Text:`."""
        path = self.file.with_suffix(".txt")
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        found = next((line for line in lines if line.startswith("Text:")), None)
        if found is None:
            raise UserError(f"a clip's words follow `Text:` in the .txt beside it; {path} has none: mend it")
        return " ".join(found.removeprefix("Text:").translate(str.maketrans("", "", "{}")).lower().split())


Layout = Callable[[Path], list[Place]]


def lrs2(folder: Path) -> list[Place]:
    """All clips that LRS2's three lists name. UserError where the folder, a list, or a clip's ID is not as published."""
    _need(folder, "lrs2://DIR holds main, train.txt, val.txt and test.txt")
    _need(folder / "main", "lrs2://DIR holds main/ID/00001.mp4")
    return [Place(split, file) for split, name in LISTS.items() for file in _listed(folder, name)]


def lrs3(folder: Path) -> list[Place]:
    """All clips of LRS3's `trainval` and `test`. UserError where the folder or one of these is missing."""
    for place in (folder, folder / "trainval", folder / "test"):
        _need(place, "lrs3://DIR holds trainval/ID/00001.mp4 and test/ID/00001.mp4")
    tested = [Place("test", file) for file in (folder / "test").glob("*/*.mp4")]
    return tested + [Place(_drawn(file.parent.name), file) for file in (folder / "trainval").glob("*/*.mp4")]


def _drawn(speaker: str) -> str:
    return "valid" if int(hashed(speaker), 16) % VALID_IS_ONE_IN == 0 else "train"


def _need(folder: Path, rule: str) -> None:
    if not folder.is_dir():
        raise UserError(f"the corpus folder {folder} does not exist; {rule}, as published")


def _listed(folder: Path, name: str) -> Iterator[Path]:
    path = next((place / name for place in (folder, folder.parent) if (place / name).is_file()), None)
    if path is None:
        raise UserError(f"LRS2's splits are its lists; {name} is neither in {folder} nor beside it: put it there")
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            clip = line.split()[0]  # the test list has marks after the clip
            if len([part for part in clip.split("/") if part not in ("", ".", "..")]) != 2:
                raise UserError(f"a line of LRS2's lists is ID/00001; {path} has {line!r}: mend it")
            yield folder / "main" / f"{clip}.mp4"


def chosen(layout: Layout, folder: Path, query: Mapping[str, str]) -> list[Place]:
    """What to prepare, `test` first, then by id: of a split with a limit, the clips whose ids' hashes are first.

    `query`: train=N, valid=N, test=N (at most so many clips; all of them if not given), allow_rejected=N. Raises UserError for
    other names, for a split without clips, and for a clip that is there twice.
    """
    for name in query:
        if name not in OPTIONS:
            raise UserError(f"lrs2:// and lrs3:// take {', '.join(OPTIONS)}; got {name}={query[name]}")
    limits = {split: number(query, split, least=1) for split in LISTS}
    number(query, "allow_rejected", least=0)
    found = layout(folder)
    for split in LISTS:
        if not any(place.split == split for place in found):
            raise UserError(
                f"{folder} holds no clips for the split {split}; give the folder that holds all of the corpus"
            )
    id_, times = Counter(place.id for place in found).most_common(1)[0]
    if times > 1:
        raise UserError(f"a clip is in one split, once; {id_} is there {times} times: take the copies out")
    return [place for split in LISTS for place in _first([p for p in found if p.split == split], limits[split])]


def _first(places: list[Place], limit: int | None) -> list[Place]:
    return sorted(sorted(places, key=lambda place: hashed(place.id))[:limit], key=lambda place: place.id)


def count(layout: Layout, folder: Path, query: Mapping[str, str]) -> int:
    """How many clips `clips` will speak of. Raises UserError as `chosen` does."""
    return len(chosen(layout, folder, query))


def stamp(layout: Layout, folder: Path) -> str:
    """Changes when a clip, its words or its split do; not when the folder is moved."""
    rows = sorted(
        (place.id, place.split, *size_and_time(place.file), *size_and_time(place.file.with_suffix(".txt")))
        for place in layout(folder)
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def clips(layout: Layout, folder: Path, query: Mapping[str, str], workers: int) -> Iterator[Clip | Rejected]:
    """Every clip that is asked for, or why it is left out. Raises UserError, before the work where it can."""
    places = chosen(layout, folder, query)
    texts = [place.text() for place in places]
    interpreter()
    tolerate = Tolerance(len(places), number(query, "allow_rejected", least=0))
    cut = cut_mouths([place.file for place in places], workers)
    for place, text, mouths in zip(places, texts, cut, strict=True):
        made = _clip(place, text, mouths)
        yield tolerate(Rejected(place.id, made, place.split)) if isinstance(made, str) else made


def _clip(place: Place, text: str, mouths: Mouths) -> Clip | str:
    """The clip, or why there is none."""
    if not text:
        return "empty transcript"
    if mouths.crops is None:
        return mouths.reason or "no mouths"
    audio = _sound(place.file, len(mouths.crops))
    if isinstance(audio, str):
        return audio
    return Clip(place.id, place.speaker, place.split, text, mouths.crops, fit_audio(audio, len(mouths.crops)))


def _sound(file: Path, frames: int) -> np.ndarray | str:
    try:
        audio, rate = decode_audio(file), frame_rate(file)
    except (av.error.FFmpegError, IndexError) as error:
        return f"cannot be decoded: {error}"
    if abs(rate / FPS - 1) > RATE_MAY_BE_OFF:
        return f"{rate:g} frames a second; {FPS} wanted"
    return sound_damage(audio, frames) or audio
