"""Sound without pictures: files of any format that FFmpeg decodes, listed in the folder's clips.csv.

The table is that of `clips_table`, with one column more: `split`, which is train, valid or test. A recording lasts at most 60 s.
Clips that cannot be used are counted and listed with their reason, as in `corpora.readers.grid`; `allow_rejected=N` permits more.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.hints import did_you_mean
from common.normalise import normalise, written
from corpora.media.sound import broken, read_sound
from corpora.media.timeline import aligned
from corpora.media.tracks import Unusable
from corpora.readers.clips_table import SHA256, find_table, read_table
from corpora.readers.options import Tolerance, number, size_and_time
from corpora.schema import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, SPLITS, Clip, Rejected, no_video

SPLIT = "split"


@dataclass(frozen=True)
class Recording:
    """A row of clips.csv. `sha256` is None if it is not stated."""

    id: str
    speaker: str
    split: str
    file: Path
    text: str
    sha256: str | None


def count(folder: str, query: Mapping[str, str]) -> int:
    """Return the number of items that `clips` yields. Raises UserError as `clips` does."""
    _allowed(query)
    return len(_recordings(Path(folder)))


def stamp(folder: str) -> str:
    """Return a text that changes when a recording, its text, speaker or split changes, and not when the folder moves."""
    rows = [
        (each.id, each.split, each.text, each.sha256 or "", *size_and_time(each.file))
        for each in _recordings(Path(folder))
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def clips(folder: str, query: Mapping[str, str], workers: int) -> Iterator[Clip | Rejected]:
    """Yield every clip of a folder, or the reason why it is left out. Raises UserError, before the work where possible."""
    found = _recordings(Path(folder))
    tolerate = Tolerance(len(found), _allowed(query))
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for made in pool.map(_clip, found):
            yield tolerate(made) if isinstance(made, Rejected) else made


def _allowed(query: Mapping[str, str]) -> int | None:
    for name in query:
        if name != "allow_rejected":
            raise UserError(f"sound:// takes allow_rejected; got {name}={query[name]}")
    return number(query, "allow_rejected", least=0)


def _recordings(folder: Path) -> list[Recording]:
    """Return all rows, by id. Raises UserError."""
    table = find_table(folder) if folder.is_dir() else None
    if table is None:
        raise UserError(
            f"a corpus of sound is a folder with a clips.csv, and {folder} has none: give sound://DIR with one"
        )
    found = [_recording(folder, table, line, row) for line, row in read_table(table)]
    if not found:
        raise UserError(f"{table} has no clips; add a row for each")
    id_, times = Counter(each.id for each in found).most_common(1)[0]
    if times > 1:
        raise UserError(f"each clip of a speaker occurs once; {id_} occurs {times} times in {table}: remove the copies")
    return sorted(found, key=lambda each: each.id)


def _recording(folder: Path, table: Path, line: int, row: Mapping[str, str]) -> Recording:
    if SPLIT not in row:
        raise UserError(
            f"clips.csv of a corpus of sound has a column {SPLIT} ({', '.join(SPLITS)}); {table} has none: add it"
        )
    split = row[SPLIT].strip().lower()
    if split not in SPLITS:
        raise UserError(f"line {line} of {table} has the unknown split {row[SPLIT]!r}{did_you_mean(split, SPLITS)}")
    if not normalise(row["transcript"]):
        raise UserError(
            f"line {line} of {table} has a transcript without letters and digits; add its words or remove the clip"
        )
    speaker = row["speaker"].strip()
    return Recording(
        f"{speaker}-{row['clip'].strip()}",
        speaker,
        split,
        folder / row["file"].strip(),
        written(row["transcript"]),
        (row.get(SHA256) or "").strip() or None,
    )


def _clip(recording: Recording) -> Clip | Rejected:
    try:
        if not recording.file.is_file():
            raise Unusable("file is missing")
        if recording.sha256 and hashlib.sha256(recording.file.read_bytes()).hexdigest() != recording.sha256.lower():
            raise Unusable("sha256 differs from the one in clips.csv")
        sound = read_sound(recording.file, pictures=False)
        begin_s, last = sound.pieces[-1]
        samples = round((begin_s - sound.start_s) * SAMPLE_RATE_HZ) + len(last)
        audio = aligned(sound.pieces, sound.start_s, math.ceil(samples / SAMPLES_PER_FRAME))
        if fault := broken(audio):
            raise Unusable(fault)
    except Unusable as error:
        return Rejected(recording.id, str(error), recording.split)
    video = no_video(len(audio) // SAMPLES_PER_FRAME)
    return Clip(recording.id, recording.speaker, recording.split, recording.text, video, audio)
