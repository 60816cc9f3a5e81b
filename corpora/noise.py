"""Noise: its kinds, its level, and a manifest that fixes it for every arm, rerun and machine.

`snr_db=None` means clean; 0 is a value. Training noise and test noise come from different tracks, so no arm is scored on the
noise that it was trained on.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from common.errors import UserError
from corpora.recordings import open_half
from corpora.schema import SAMPLE_RATE_HZ, Utterance
from corpora.store import Corpus

TALKERS = 20
TRACK_SECONDS = 60
FULL_SCALE = 32768.0

Purpose = Literal["train", "test"]


class NoiseBank:
    """A looped track of one kind of noise. What it returns is float32; the whole track has a mean power of 1.

    `track` is float32 with that power, or int16 of recordings, which stay on the disk (`corpora.recordings`).
    """

    def __init__(self, track: np.ndarray, source: str, power: float | None = None) -> None:
        """Take a track (n,) of any level; int16 samples need their mean square, `power`. Raises UserError for silence."""
        self.source, self._level = source, None if power is None else np.sqrt(power / FULL_SCALE**2)
        if power is not None:
            self.track = track
            return
        mean = float(np.mean(np.square(track, dtype=np.float64)))
        if not mean > 0:
            raise UserError(f"the noise of {source} is silent; give recordings (noise: {{babble: DIR}})")
        self.track = (track / np.sqrt(mean)).astype(np.float32)

    @classmethod
    def from_corpus(
        cls, corpus: Corpus, kind: str, source: str | None = None, purpose: Purpose = "train"
    ) -> "NoiseBank":
        """Return the bank of `kind`: recordings if `source` is a file or folder, else `babble` of the training split, or `white`.

        Raises UserError for an unknown kind without recordings, and for recordings that cannot serve as noise.
        """
        if source is not None:
            samples, power = open_half(Path(source), first=purpose == "train")
            return cls(samples, Path(source).name, power)
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
        piece = np.take(self.track, np.arange(offset, offset + samples), mode="wrap")
        return piece if self._level is None else (piece / FULL_SCALE / self._level).astype(np.float32)

    def segment(self, samples: int, generator: np.random.Generator) -> np.ndarray:
        """Return a piece from a random offset, (samples,)."""
        return self.at(int(generator.integers(len(self.track))), samples)


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
