"""The part that the readers of LRS2 and LRS3 share: which clips are prepared, their words, and the mouths and sound of each.

`pretrain`, which has most of the hours, is read with the option `pretrain`: see `lrs_pretrain`.
The speaker of a clip is its folder: a broadcast (LRS2) or a YouTube video (LRS3). So one person can count as several speakers.

The test split is the published one. So a test clip that cannot be used (no face found, damaged, no words) is an error. More than
2 % of all clips is an error too. `allow_rejected=N` permits up to N such clips. Every clip that is left out is listed with its
reason.
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
from corpora.readers import lrs_pretrain
from corpora.readers.media import decode_audio, frame_rate, sound_damage
from corpora.readers.options import Tolerance, hashed, number, size_and_time
from corpora.schema import FPS, Clip, Rejected, fit_audio

SPLITS = ("test", "valid", "train")  # `test` first: it permits no rejected clip, so a bad corpus fails early
OPTIONS = (*SPLITS, "pretrain", "allow_rejected")
FRAME_RATE_TOLERANCE = 0.01  # as a share; containers round the rate


@dataclass(frozen=True)
class Source:
    """A clip on disk and its split. `file` is the video; the words are in the .txt file next to it."""

    split: str
    file: Path

    @property
    def speaker(self) -> str:
        return self.file.parent.name

    @property
    def id(self) -> str:
        return f"{self.speaker}-{self.file.stem}"

    def text(self) -> str:
        """Return the words in lower case, without the braces around some of them. Raises UserError without a `Text:` line."""
        path = self.file.with_suffix(".txt")
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        found = next((line for line in lines if line.startswith("Text:")), None)
        if found is None:
            raise UserError(
                f"the words of a clip follow `Text:` in the .txt file next to it; {path} has no such line: add it"
            )
        return spoken(found.removeprefix("Text:"))


def spoken(text: str) -> str:
    """Return the words of a text in lower case, without the braces around some of them."""
    return " ".join(text.translate(str.maketrans("", "", "{}")).lower().split())


Layout = Callable[[Path], list[Source]]  # the clips of a folder, as one of the two corpora is published


def require(folder: Path, rule: str) -> None:
    """Raise UserError if the folder does not exist. `rule` says what the published corpus has there."""
    if not folder.is_dir():
        raise UserError(f"the corpus folder {folder} does not exist; {rule}, as published")


def chosen(layout: Layout, folder: Path, query: Mapping[str, str]) -> list[Source]:
    """Return the clips to prepare, `test` first, then by id.

    `query`: train=N, valid=N, test=N (at most N clips, those whose ids have the smallest hashes; without it all clips),
    allow_rejected=N, and pretrain=N or pretrain=all, for the clips of `pretrained`. Raises UserError for another option, for a
    split without clips, and for a clip that occurs twice.
    """
    for name in query:
        if name not in OPTIONS:
            raise UserError(f"lrs2:// and lrs3:// take {', '.join(OPTIONS)}; got {name}={query[name]}")
    limits = {split: number(query, split, least=1) for split in SPLITS}
    number(query, "allow_rejected", least=0)
    found = layout(folder)
    for split in SPLITS:
        if not any(source.split == split for source in found):
            raise UserError(f"{folder} has no clips for the split {split}; give the folder that has the whole corpus")
    id_, times = Counter(source.id for source in found).most_common(1)[0]
    if times > 1:
        raise UserError(f"a clip occurs once, in one split; {id_} occurs {times} times: remove the copies")
    return [source for split in SPLITS for source in _first([p for p in found if p.split == split], limits[split])]


def _first(sources: list[Source], limit: int | None) -> list[Source]:
    return sorted(sorted(sources, key=lambda source: hashed(source.id))[:limit], key=lambda source: source.id)


def pretrained(layout: Layout, folder: Path, query: Mapping[str, str]) -> list[lrs_pretrain.Part | Rejected]:
    """Return the utterances of `pretrain` to prepare, none without that option."""
    if "pretrain" not in query:
        return []
    held_out = {source.speaker for source in layout(folder) if source.split != "train"}
    return lrs_pretrain.chosen(folder, query["pretrain"], held_out, spoken)


def count(layout: Layout, folder: Path, query: Mapping[str, str]) -> int:
    """Return the number of items that `clips` yields. Raises UserError as `chosen` does."""
    return len(chosen(layout, folder, query)) + len(pretrained(layout, folder, query))


def stamp(layout: Layout, folder: Path) -> str:
    """Return a text that changes when a clip, its words or its split change, and not when the folder moves."""
    rows = sorted(
        (source.id, source.split, *size_and_time(source.file), *size_and_time(source.file.with_suffix(".txt")))
        for source in layout(folder)
    )
    rows += lrs_pretrain.rows(folder)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def clips(layout: Layout, folder: Path, query: Mapping[str, str], workers: int) -> Iterator[Clip | Rejected]:
    """Yield every chosen clip, or the reason why it is left out. Raises UserError, before the work where possible."""
    sources, long = chosen(layout, folder, query), pretrained(layout, folder, query)
    texts = [source.text() for source in sources]
    interpreter()
    tolerate = Tolerance(len(sources) + len(long), number(query, "allow_rejected", least=0))
    cut = cut_mouths([source.file for source in sources], workers)
    for source, text, mouths in zip(sources, texts, cut, strict=True):
        made = _clip(source, text, mouths)
        yield tolerate(Rejected(source.id, made, source.split)) if isinstance(made, str) else made
    for item in _long_clips(long, workers):
        yield tolerate(item) if isinstance(item, Rejected) else item


def _long_clips(items: list[lrs_pretrain.Part | Rejected], workers: int) -> Iterator[Clip | Rejected]:
    """Yield the utterances of `pretrain`, each cut out of its clip."""
    groups = list(lrs_pretrain.by_file(items))
    cut = cut_mouths([file for file, _ in groups if file], workers)
    for file, found in groups:
        whole = _clip(Source("train", file), "words of all parts", next(cut)) if file else ""
        for item in found:
            yield item if isinstance(item, Rejected) else lrs_pretrain.cut(item, whole)


def _clip(source: Source, text: str, mouths: Mouths) -> Clip | str:
    """Return the clip, or the reason why it is left out."""
    if not text:
        return "empty transcript"
    if mouths.crops is None:
        return mouths.reason or "no mouths"
    audio = _sound(source.file, len(mouths.crops))
    if isinstance(audio, str):
        return audio
    return Clip(source.id, source.speaker, source.split, text, mouths.crops, fit_audio(audio, len(mouths.crops)))


def _sound(file: Path, frames: int) -> np.ndarray | str:
    try:
        audio, rate = decode_audio(file), frame_rate(file)
    except (av.error.FFmpegError, IndexError) as error:
        return f"cannot be decoded: {error}"
    if abs(rate / FPS - 1) > FRAME_RATE_TOLERANCE:
        return f"{rate:g} frames a second; {FPS} wanted"
    return sound_damage(audio, frames) or audio
