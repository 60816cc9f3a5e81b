"""The lists of a set: texts and files in the layout of a toolkit. Paths are relative to the list, but for Kaldi's `wav.scp`."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from corpora.schema import SAMPLE_RATE_HZ, Utterance


@dataclass(frozen=True)
class Row:
    """An utterance with its files, relative to the folder of the set; `video` is None without video."""

    utterance: Utterance
    wav: str
    video: str | None


Lists = Mapping[str, str]  # file name -> its text


def plain(rows: Sequence[Row], _: Path) -> Lists:
    """Return a table with a header."""
    head: list[object] = ["id", "speaker", "frames", "wav", *(["video"] if rows[0].video else []), "text"]
    lines: list[list[object]] = [
        [
            row.utterance.id,
            row.utterance.speaker,
            row.utterance.frames,
            row.wav,
            *([row.video] if row.video else []),
            _text(row),
        ]
        for row in rows
    ]
    return {"utterances.tsv": "".join("\t".join(map(str, line)) + "\n" for line in [head, *lines])}


def kaldi(rows: Sequence[Row], at: Path) -> Lists:
    """Return `wav.scp` with absolute paths, `utt2spk` and `spk2utt`, sorted as Kaldi wants them. Raises UserError."""
    _check_words(rows)
    speakers: dict[str, list[str]] = {}
    for row in rows:
        speakers.setdefault(_speaker(row), []).append(row.utterance.id)
    found = {
        "wav.scp": {row.utterance.id: f"{at / row.wav}" for row in rows},
        "utt2spk": {row.utterance.id: _speaker(row) for row in rows},
        "spk2utt": {speaker: " ".join(sorted(ids)) for speaker, ids in speakers.items()},
    }
    if rows[0].video:
        found["video.scp"] = {row.utterance.id: f"{at / str(row.video)}" for row in rows}
    return {name: _table(lines) for name, lines in found.items()}


def jsonl(rows: Sequence[Row], _: Path) -> Lists:
    """Return a manifest with an object per line, as NeMo reads it."""
    return {"manifest.jsonl": "".join(json.dumps(_record(row), ensure_ascii=False) + "\n" for row in rows)}


FORMATS: Mapping[str, Callable[[Sequence[Row], Path], Lists]] = {"wav": plain, "kaldi": kaldi, "jsonl": jsonl}


def texts(rows: Sequence[Row]) -> str:
    """Return the references as `id words` lines, which `ablate import --ref` takes. Raises UserError."""
    _check_words(rows)
    return _table({row.utterance.id: _text(row) for row in rows})


def _record(row: Row) -> dict[str, object]:
    seconds = row.utterance.samples / SAMPLE_RATE_HZ
    record = {"id": row.utterance.id, "audio_filepath": row.wav, "duration": round(seconds, 4), "text": _text(row)}
    return record | {"speaker": row.utterance.speaker} | ({"video_filepath": row.video} if row.video else {})


def _table(lines: Mapping[str, str]) -> str:
    return "".join(f"{key} {lines[key]}\n" for key in sorted(lines, key=str.encode))


def _text(row: Row) -> str:
    return " ".join(row.utterance.text.split())


def _speaker(row: Row) -> str:
    return "_".join(row.utterance.speaker.split()) or row.utterance.id


def _check_words(rows: Sequence[Row]) -> None:
    """Refuse ids that a list of `id words` lines cannot have."""
    wrong = [
        row.utterance.id
        for row in rows
        if len(row.utterance.id.split()) != 1 or row.utterance.id != row.utterance.id.strip()
    ]
    if wrong:
        raise UserError(
            f"an id in a list is one word, but {len(wrong)} of {len(rows)} have spaces, e.g. {wrong[0]!r}; prepare the corpus with "
            "other ids"
        )
