"""The clips of `ablate transcribe`: video files, and utterances of a prepared corpus as FOLDER#UTTERANCE_ID."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from common.errors import UserError
from common.hints import nearest
from corpora.clip import Sample, sample
from corpora.media.sound import Sound, broken, read_sound
from corpora.media.timeline import aligned
from corpora.media.tracks import Unusable, opened
from corpora.mouth.cut import Mouths, cut_mouths
from corpora.noise import NoiseBank, noisy, offset
from corpora.store import Corpus

MARK = "#"


def read_clips(names: Sequence[str], noise: str, snr_db: float | None) -> list[Sample]:
    """Return the clips in the order of `names`. Noise of the kind `noise` is mixed into utterances exactly as in an evaluation.

    `snr_db=None` leaves them clean; 0 is a value. Raises UserError, which names the clip.
    """
    files = {name: Path(name) for name in names if not _is_utterance(name)}
    if files and snr_db is not None:
        rule = f"noise is mixed into utterances of a prepared corpus, FOLDER{MARK}UTTERANCE_ID"
        raise UserError(f"{rule}, and {next(iter(files))} is a file; omit --snr-db, or prepare a corpus of such files")
    sounds = {
        name: _sound(name, file) for name, file in files.items()
    }  # first, since the search for faces takes seconds
    workers = min(len(files), os.cpu_count() or 1)
    found = cut_mouths(list(files.values()), workers, any_rate=True) if files else ()
    mouths = dict(zip(files, found, strict=True))
    return [
        _video(name, sounds[name], mouths[name]) if name in files else _utterance(name, noise, snr_db) for name in names
    ]


def _is_utterance(name: str) -> bool:
    return MARK in name and not Path(name).is_file()


def _sound(name: str, file: Path) -> Sound:
    if not file.is_file():
        raise UserError(
            f"a clip is a video file or FOLDER{MARK}UTTERANCE_ID of a prepared corpus, and {name!r} is neither"
        )
    try:
        with opened(file) as tracks:
            pictures, sound = tracks.video is not None, tracks.audio is not None
        if pictures and sound:
            return read_sound(file)
    except Unusable as error:
        raise _unusable(name, str(error)) from error
    if not pictures:
        raise UserError(f"a clip has pictures, and {name} has none; give a video of the speaker's face")
    raise UserError(f"a clip has a sound track, and {name} has none; give a video with sound")


def _video(name: str, sound: Sound, mouths: Mouths) -> Sample:
    if mouths.crops is None:
        raise _unusable(name, str(mouths.reason))
    try:
        audio = aligned(sound.pieces, mouths.start_s, len(mouths.crops))
    except Unusable as error:
        raise _unusable(name, str(error)) from error
    if fault := broken(audio):
        raise _unusable(name, fault)
    with _naming(name):
        return sample(audio, mouths.crops)


def _unusable(name: str, reason: str) -> UserError:
    return UserError(
        f"{name} cannot be read as a video of one speaker with sound: {reason}; give another clip, by the rules of "
        "docs/real-video.md"
    )


def _utterance(name: str, noise: str, snr_db: float | None) -> Sample:
    folder, _, id_ = name.rpartition(MARK)
    corpus = _corpus(folder)
    found = next((utterance for utterance in corpus.all_utterances if utterance.id == id_), None)
    if found is None:
        near = ", ".join(nearest(id_, [utterance.id for utterance in corpus.all_utterances]))
        raise UserError(f"the corpus in {folder} has no utterance {id_!r}; the nearest are {near}")
    if not found.has_video:
        raise UserError(f"a clip has pictures, and the corpus in {folder} has only sound; give one with video")
    with _naming(name):
        clean = sample(corpus.audio(found), corpus.video(found))
    if snr_db is None:
        return clean
    bank = _bank(folder, noise)
    segment = bank.at(offset(found, noise, bank), found.samples)
    return Sample(noisy(corpus.audio(found), segment, snr_db), clean.video)


@lru_cache
def _corpus(folder: str) -> Corpus:
    return Corpus.open(Path(folder))


@lru_cache
def _bank(folder: str, noise: str) -> NoiseBank:
    return NoiseBank.from_corpus(_corpus(folder), noise, None, "test")


@contextmanager
def _naming(name: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from error
