"""A prepared corpus for commands: WAV files and manifests, made once and kept next to the corpus."""

import hashlib
import json
import os
import shutil
import tempfile
import wave
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from filelock import FileLock

from common.conditions import Condition, conditions
from common.owned_folder import owned_folder
from corpora.noise import FULL_SCALE, NoiseBank, noisy, offset
from corpora.schema import SAMPLE_RATE_HZ, Utterance
from corpora.store import Corpus
from recipes.command.spec import Spec

EXPORTS = ".exports"
READY = ".ready"
TRAINING_SPLITS = ("train", "valid")
CODE = 1  # of the layout: a change makes all exports anew


def for_training(corpus: Path, spec: Spec) -> Path:
    """Return a folder with train.jsonl, valid.jsonl and their sound. A command that trains never sees the test split."""
    del spec
    return _kept(corpus, "train", {}, {})


def for_transcription(
    corpus: Path, noises: Mapping[str, Sequence[float]], recordings: Mapping[str, str], spec: Spec
) -> Path:
    """Return a folder with `CONDITION.jsonl` and the sound of the test split under every condition."""
    del spec
    return _kept(corpus, "test", noises, recordings)


def _kept(folder: Path, purpose: str, noises: Mapping[str, Sequence[float]], recordings: Mapping[str, str]) -> Path:
    corpus = Corpus.open(folder)
    stamps = {kind: _stamp(Path(recordings[kind])) for kind in noises if kind in recordings}
    asked = json.dumps([CODE, corpus.fingerprint, purpose, dict(noises), stamps], default=list)
    root = _root(folder.resolve())
    target = root / f"{purpose}-{hashlib.sha256(asked.encode()).hexdigest()[:16]}"
    with FileLock(root / f".{target.name}.lock"):
        if not (target / READY).is_file():
            with owned_folder(root, f".{target.name}.") as part:
                if purpose == "train":
                    _write_training(corpus, part)
                else:
                    _write_test(corpus, part, noises, recordings)
                (part / READY).touch()
                shutil.rmtree(target, ignore_errors=True)
                part.rename(target)
    return target


def _root(corpus: Path) -> Path:
    """Return the folder for exports of a corpus: next to it, or a temporary one where that cannot be written."""
    exports = corpus.parent / EXPORTS
    with suppress(OSError):
        (exports / corpus.name).mkdir(parents=True, exist_ok=True)
        for other in exports.iterdir():  # the cache has dropped its corpus
            if not (corpus.parent / other.name).exists():
                shutil.rmtree(other, ignore_errors=True)
        if os.access(exports / corpus.name, os.W_OK):
            return exports / corpus.name
    own = Path(tempfile.gettempdir()) / f"ablate-exports-{os.getuid()}"
    own.mkdir(mode=0o700, exist_ok=True)
    return own


def _stamp(source: Path) -> list[list[object]]:
    files = sorted(source.rglob("*")) if source.is_dir() else [source]
    return [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files if file.is_file()]


def _write_training(corpus: Corpus, folder: Path) -> None:
    for split in TRAINING_SPLITS:
        rows = []
        for utterance in corpus.utterances(split):
            rows.append(_row(utterance, _wav(folder / split / f"{utterance.id}.wav", corpus.audio(utterance)), folder))
        _manifest(folder / f"{split}.jsonl", rows)


def _write_test(
    corpus: Corpus, folder: Path, noises: Mapping[str, Sequence[float]], recordings: Mapping[str, str]
) -> None:
    banks = {kind: NoiseBank.from_corpus(corpus, kind, recordings.get(kind), "test") for kind in noises}
    for condition in conditions(noises):
        rows = []
        for utterance in corpus.utterances("test"):
            sound = _int16(_noisy(corpus, utterance, condition, banks))
            rows.append(_row(utterance, _wav(folder / condition.name / f"{utterance.id}.wav", sound), folder))
        _manifest(folder / f"{condition.name}.jsonl", rows)


def _noisy(corpus: Corpus, utterance: Utterance, condition: Condition, banks: Mapping[str, NoiseBank]) -> np.ndarray:
    audio = corpus.audio(utterance)
    if condition.kind is None:
        return noisy(audio, audio, None)
    bank = banks[condition.kind]
    return noisy(audio, bank.at(offset(utterance, condition.kind, bank), utterance.samples), condition.snr_db)


def _int16(sound: np.ndarray) -> np.ndarray:
    """Return float32 sound as int16. Sound beyond full scale is made quieter as a whole, which leaves its SNR."""
    peak = float(np.abs(sound).max(initial=0.0))
    return np.round(sound / max(1.0, peak * FULL_SCALE / (FULL_SCALE - 1)) * FULL_SCALE).astype(np.int16)


def _wav(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(np.ascontiguousarray(samples, "<i2").tobytes())
    return path


def _row(utterance: Utterance, wav: Path, folder: Path) -> dict[str, object]:
    return {
        "id": utterance.id,
        "audio_filepath": str(wav.relative_to(folder)),
        "duration": utterance.samples / SAMPLE_RATE_HZ,
        "text": utterance.text,
        "speaker": utterance.speaker,
    }


def _manifest(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
