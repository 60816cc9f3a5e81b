"""A prepared corpus for commands: WAV files and manifests, made once and kept next to the corpus.

A set is a folder with `manifest.jsonl`, an utterance a line, and the sound in `wav/`.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from filelock import FileLock
from scipy.io import wavfile

from common.conditions import Condition, conditions
from common.owned_folder import owned_folder
from corpora.noise import NoiseBank, noisy, offset
from corpora.schema import SAMPLE_RATE_HZ, Utterance
from corpora.store import Corpus
from recipes.command.spec import Spec

EXPORTS = ".exports"
READY, MANIFEST = ".ready", "manifest.jsonl"
TRAINING_SPLITS = ("train", "valid")
CODE = 2  # of the layout: a change makes all exports anew


def for_training(corpus: Path, spec: Spec) -> Path:
    """Return a folder with the sets `train` and `valid`. A command that trains never sees the test split."""
    del spec
    return _kept(corpus, "train", {}, {})


def for_transcription(
    corpus: Path, noises: Mapping[str, Sequence[float]], recordings: Mapping[str, str], spec: Spec
) -> Path:
    """Return a folder with a set `test/CONDITION` for every condition."""
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
        _write_set(folder / split, [(utterance, corpus.audio(utterance)) for utterance in corpus.utterances(split)])


def _write_test(
    corpus: Corpus, folder: Path, noises: Mapping[str, Sequence[float]], recordings: Mapping[str, str]
) -> None:
    banks = {kind: NoiseBank.from_corpus(corpus, kind, recordings.get(kind), "test") for kind in noises}
    for condition in conditions(noises):
        sounds = ((each, _sound(corpus, each, condition, banks)) for each in corpus.utterances("test"))
        _write_set(folder / "test" / condition.name, sounds)


def _sound(corpus: Corpus, utterance: Utterance, condition: Condition, banks: Mapping[str, NoiseBank]) -> np.ndarray:
    """Return clean sound as int16, and noisy sound, which may be louder than full scale 1, as float32."""
    audio = corpus.audio(utterance)
    if condition.kind is None:
        return audio
    bank = banks[condition.kind]
    return noisy(audio, bank.at(offset(utterance, condition.kind, bank), utterance.samples), condition.snr_db)


def _write_set(folder: Path, sounds: Iterable[tuple[Utterance, np.ndarray]]) -> None:
    """Write WAV files and a manifest of some utterances."""
    (folder / "wav").mkdir(parents=True)
    with (folder / MANIFEST).open("w", encoding="utf-8") as manifest:
        for utterance, samples in sounds:
            name = re.sub(r"[^\w.-]", "_", utterance.id)
            wavfile.write(folder / "wav" / f"{name}.wav", SAMPLE_RATE_HZ, np.ascontiguousarray(samples))
            row = {
                "id": utterance.id,
                "audio_filepath": f"wav/{name}.wav",
                "duration": utterance.samples / SAMPLE_RATE_HZ,
                "text": utterance.text,
                "speaker": utterance.speaker,
            }
            manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
