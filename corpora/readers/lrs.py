"""The part that the readers of LRS2 and LRS3 share: which clips are prepared, their words, and the mouths and sound of each.

`pretrain`, which has most of the hours, is read with the option `pretrain`: see `lrs_pretrain`.
The speaker of a clip is its folder: a broadcast (LRS2) or a YouTube video (LRS3). So one person can count as several speakers.

The test split is the published one. So a test clip that cannot be used (no face found, damaged, no words) is an error. More than
2 % of all clips is an error too. `allow_rejected=N` permits up to N such clips. Every clip that is left out is listed with its
reason.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from common.errors import UserError
from common.normalise import normalise, written
from corpora.mouth.cut import Mouths, cut_mouths, interpreter
from corpora.readers import lrs_pretrain
from corpora.readers.copies import Entry, contradictions
from corpora.readers.media import sound_of
from corpora.readers.options import Tolerance, hashed, number, size_and_time
from corpora.readers.text_files import lines, read_text
from corpora.schema import Clip, Rejected

SPLITS = ("test", "valid", "train")  # `test` first: it permits no rejected clip, so a bad corpus fails early
OPTIONS = (*SPLITS, "pretrain", "allow_rejected")
KEY = re.compile(r"\s*text\s*:", re.IGNORECASE)
SOUNDS = (
    "ns|lg|br|cg|ls|sm|nz|sn|sp|sil|silence|spn|nsn|unk|noise|breath|breathing|laugh|laughs|laughter|cough|coughs|coughing|smack|"
    "lipsmack|click|sniff|sneeze|sigh|gasp|music|applause|cheering|inaudible|unintelligible|crosstalk"
)
MARKERS = re.compile(rf"\[[^\[\]]*\]|<[^<>]*>|[{{(]\s*(?:{SOUNDS})\s*[)}}]", re.IGNORECASE)
BRACES = str.maketrans("", "", "{}")


@dataclass(frozen=True)
class Source:
    """A clip on disk and its split. `file` is the video; the words are in the .txt file next to it."""

    split: str
    file: Path

    @property
    def speaker(self) -> str:
        return self.file.parent.name

    @cached_property
    def words(self) -> Path:
        """The file with the words, whose suffix may be in capitals."""
        return with_suffix(self.file, ".txt")

    @property
    def id(self) -> str:
        return f"{self.speaker}-{self.file.stem}"

    def text(self) -> str:
        """Return the words in lower case. Raises UserError without one `Text:` line, or for a file in another encoding.

        Markers of sounds that are not speech are left out: `{NS}`, `[MUSIC]`, `<UNK>`. Other braces stand around words that are
        hard to hear: the words stay.
        """
        found = [line for line in lines(read_text(self.words)) if KEY.match(line)] if self.words.is_file() else []
        if len(found) != 1:
            raise UserError(
                f"the words of a clip follow `Text:` in the .txt file next to it; {self.words} has "
                f"{len(found) or 'no'} such line{'s' if found else ''}: {'leave one' if found else 'add it'}"
            )
        return spoken(KEY.sub("", found[0]))


def spoken(text: str) -> str:
    """Return the words of a text in lower case, without markers of sounds and without the braces around some words."""
    return written(MARKERS.sub(" ", text).translate(BRACES))


Layout = Callable[[Path], list[Source]]  # the clips of a folder, as one of the two corpora is published


def with_suffix(file: Path, suffix: str) -> Path:
    """Return the file next to another one with a suffix in lower case or in capitals; the former if there is neither."""
    upper = file.with_suffix(suffix.upper())
    lower = file.with_suffix(suffix)
    return upper if upper.is_file() and not lower.is_file() else lower


def videos(folder: Path) -> list[Path]:
    """Return the clips ID/00001.mp4 below a folder, by name, without hidden files such as macOS's `._00001.mp4`."""
    found = (file for file in folder.glob("*/*") if file.suffix.lower() == ".mp4")
    return sorted(file for file in found if not file.name.startswith("."))


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
        (source.id, source.split, *size_and_time(source.file), *size_and_time(source.words))
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
    entries = [Entry(s.id, s.file, normalise(text), s.split) for s, text in zip(sources, texts, strict=True)]
    copies = contradictions(entries, workers)
    yield from tolerate.all(list(copies.values()))
    rest = [(source, text) for source, text in zip(sources, texts, strict=True) if source.id not in copies]
    cut = cut_mouths([source.file for source, _ in rest], workers)
    for (source, text), mouths in zip(rest, cut, strict=True):
        made = _clip(source, text, mouths)
        yield tolerate(Rejected(source.id, made, source.split)) if isinstance(made, str) else made
    for item in _long_clips(long, workers):
        yield tolerate(item) if isinstance(item, Rejected) else item


def _long_clips(items: list[lrs_pretrain.Part | Rejected], workers: int) -> Iterator[Clip | Rejected]:
    """Yield the utterances of `pretrain`, each cut out of its clip."""
    groups = list(lrs_pretrain.by_file(items))
    cut = cut_mouths([file for file, _ in groups if file], workers, longest_s=lrs_pretrain.LONGEST_CLIP_S)
    for file, found in groups:
        whole = _clip(Source("train", file), "words of all parts", next(cut)) if file else ""
        for item in found:
            yield item if isinstance(item, Rejected) else lrs_pretrain.cut(item, whole)


def _clip(source: Source, text: str, mouths: Mouths) -> Clip | str:
    """Return the clip, or the reason why it is left out."""
    if not normalise(text):
        return "empty transcript"
    if mouths.crops is None:
        return mouths.reason or "no mouths"
    audio = sound_of(source.file, mouths.start_s, len(mouths.crops))
    if isinstance(audio, str):
        return audio
    return Clip(source.id, source.speaker, source.split, text, mouths.crops, audio)
