"""Noise: its kinds, its level, and a manifest that fixes it for every arm, rerun and machine.

`snr_db=None` means clean; 0 is a value. Training noise and test noise come from different tracks, so no arm is scored on the
noise that it was trained on.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import av
import numpy as np

from common.errors import UserError
from corpora.readers.media import decode_audio
from corpora.schema import SAMPLE_RATE_HZ, Utterance
from corpora.store import Corpus

TALKERS = 20
TRACK_SECONDS = 60
FULL_SCALE = 32768.0
AUDIO_SUFFIXES = (".flac", ".wav", ".mp3", ".ogg")

Purpose = Literal["train", "test"]


class NoiseBank:
    """A looped track of one kind of noise, float32 with a mean power of 1."""

    def __init__(self, track: np.ndarray, source: str) -> None:
        power = float(np.mean(np.square(track, dtype=np.float64)))
        if not power > 0:
            raise UserError(f"the noise in {source} is silent; give recordings with sound")
        self.track = (track / np.sqrt(power)).astype(np.float32)
        self.source = source

    @classmethod
    def from_corpus(
        cls, corpus: Corpus, kind: str, source: str | None = None, purpose: Purpose = "train"
    ) -> "NoiseBank":
        """Return the bank of `kind`: recordings if `source` is a file or folder, else `babble` of the training split, or `white`.

        Raises UserError for an unknown kind without recordings.
        """
        if source is not None:
            return cls(_half(_recordings(Path(source)), purpose), Path(source).name)
        draw = np.random.default_rng(_number(kind, purpose))
        if kind == "babble":
            return cls(_babble(corpus, draw), f"{TALKERS} streams of the training split")
        if kind == "white":
            return cls(draw.standard_normal(TRACK_SECONDS * SAMPLE_RATE_HZ), "generated")
        raise UserError(
            f"no noise of kind {kind!r}: babble and white are built in, others need recordings (noise: {{{kind}: DIR}})"
        )

    def at(self, offset: int, samples: int) -> np.ndarray:
        """Return the track from `offset`, (samples,). After the end it continues from the start."""
        return np.take(self.track, np.arange(offset, offset + samples), mode="wrap")

    def segment(self, samples: int, generator: np.random.Generator) -> np.ndarray:
        """Return a piece from a random offset, (samples,)."""
        return self.at(int(generator.integers(len(self.track))), samples)


def _half(track: np.ndarray, purpose: Purpose) -> np.ndarray:
    middle = len(track) // 2
    return track[:middle] if purpose == "train" else track[middle:]


def _recordings(path: Path) -> np.ndarray:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    files = [file for file in files if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file()]
    if not files:
        suffixes = ", ".join(AUDIO_SUFFIXES)
        raise UserError(
            f"noise recordings are a file or a folder of {suffixes}; found none in {path}: give another path"
        )
    try:
        return np.concatenate([decode_audio(file) for file in files]) / FULL_SCALE
    except (av.error.FFmpegError, IndexError) as error:
        raise UserError(f"a noise recording in {path} cannot be decoded: {error}; convert it to FLAC or WAV") from error


def _babble(corpus: Corpus, draw: np.random.Generator) -> np.ndarray:
    """Return the sum of `TALKERS` streams of equal power. Each stream is a series of different training utterances."""
    utterances = sorted(corpus.utterances("train"), key=lambda utterance: utterance.id)
    if len(utterances) < TALKERS:
        raise UserError(
            f"babble is mixed from {TALKERS} different training utterances, and the corpus has {len(utterances)}: "
            "prepare more, or give recordings (noise: {babble: DIR})"
        )
    order = [utterances[place] for place in draw.permutation(len(utterances))]
    streams = [_stream(corpus, order[talker::TALKERS]) for talker in range(TALKERS)]
    # Rolled, so that no two streams start together.
    return np.sum([np.roll(stream, draw.integers(len(stream))) for stream in streams], axis=0)


def _stream(corpus: Corpus, utterances: Sequence[Utterance]) -> np.ndarray:
    wanted, parts, have = TRACK_SECONDS * SAMPLE_RATE_HZ, [], 0
    for place in range(wanted):  # repeats the utterances until the track is long enough
        parts.append(corpus.audio(utterances[place % len(utterances)]).astype(np.float32))
        have += len(parts[-1])
        if have >= wanted:
            break
    stream = np.concatenate(parts)[:wanted]
    return stream / np.sqrt(np.mean(np.square(stream)) + 1e-9)


def _number(*names: str) -> int:
    return int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:8], "little")


def offset(utterance: Utterance, kind: str, bank: NoiseBank) -> int:
    """Return where in the track the noise of the utterance begins, in samples."""
    return _number(utterance.id, kind) % len(bank.track)


def noisy(audio: np.ndarray, segment: np.ndarray, snr_db: float | None) -> np.ndarray:
    """Add `segment` to int16 speech (samples,) at `snr_db`, by power over the whole utterance. Return float32, full scale 1.

    None leaves the speech as it is. 0 dB is a value: noise as loud as the speech.
    """
    speech = audio.astype(np.float32) / FULL_SCALE
    if snr_db is None:
        return speech
    speech_power = float(np.mean(np.square(speech, dtype=np.float64)))
    noise_power = float(np.mean(np.square(segment, dtype=np.float64)))
    gain = np.sqrt(speech_power / max(noise_power, 1e-12) * 10 ** (-snr_db / 10))
    return speech + np.float32(gain) * segment
