"""The sound of a file with its time stamps, and checks for sound that is broken."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from corpora.media.tracks import ENDS_APART_S, LONGEST_S, Tracks, Unusable, check_header, opened
from corpora.schema import SAMPLE_RATE_HZ

MOST_CANCELLED = 1e-3  # of the power; 30 dB
HOLE_S = 0.04  # stamps may be this far from the number of samples; containers round them
EMPTY = "its sound track has no samples"
STILL = 3  # steps of int16 around the middle that a codec adds to silence
STILL_SHARE = 0.005  # the same as a share of a constant value
LEAST_ACTIVE = 0.05  # as a share of the samples
# Shares of the peak, and of the samples that may be above it. Speech has 1 and 0 % there, a sine 46 and 16 %, a square wave all.
PEAKS = ((0.75, 0.65), (0.97, 0.2))


@dataclass
class Sound:
    """Stretches of int16 samples at 16 kHz, mono, and the times in seconds at which they begin on the time line of the file."""

    pieces: list[tuple[float, np.ndarray]] = field(default_factory=list)

    @property
    def start_s(self) -> float:
        """The time at which the first stretch begins."""
        return self.pieces[0][0]


def read_sound(file: Path, longest_s: float = LONGEST_S, *, pictures: bool = True) -> Sound:
    """Decode the sound track of a file, which has pictures as well unless `pictures` is False. Raises Unusable.

    A new stretch begins where the time stamps leave a hole and where the layout or the sample rate changes.
    """
    with opened(file, longest_s) as tracks:
        check_header(tracks, pictures)
        sound = Sound(list(_pieces(tracks)))
        if not any(len(piece) for _, piece in sound.pieces):
            raise Unusable(EMPTY)
        if tracks.sound().duration is not None:  # without one, the header's length may be that of the picture
            end_s = sound.pieces[-1][0] + len(sound.pieces[-1][1]) / SAMPLE_RATE_HZ
            tracks.check_end(tracks.sound(), sound.start_s, end_s)
    return sound


def sound_start_s(file: Path) -> float:
    """Return the time at which the sound of a file begins. Raises Unusable, also where it has no sound."""
    with opened(file) as tracks:
        frame = next(tracks.container.decode(tracks.sound()), None)
        if frame is None:
            raise Unusable(EMPTY)
        return _stamp(frame, tracks)


def _pieces(tracks: Tracks) -> Iterator[tuple[float, np.ndarray]]:
    begin = end = 0.0
    layout, parts, resampler = None, list[np.ndarray](), _resampler()
    first = None
    cancelled = Cancelled()
    for frame in tracks.container.decode(tracks.sound()):
        cancelled.add(frame)
        stamp = _stamp(frame, tracks) if layout is None or frame.time is not None else end
        found = (frame.layout.name, frame.sample_rate, frame.format.name)
        if layout is not None and stamp < end - HOLE_S:
            raise Unusable(f"the time stamps of its sound run back, from {end:.2f} to {stamp:.2f} s")
        if layout is None or stamp > end + HOLE_S or found != layout:
            if layout is not None:
                yield begin, np.concatenate([*parts, *_heard(resampler, None)])
            begin = end if layout is not None and stamp <= end + HOLE_S else stamp
            end, layout, parts, resampler = begin, found, [], _resampler()
        first = begin if first is None else first
        parts += _heard(resampler, frame)
        end += frame.samples / frame.sample_rate
        if end - first > tracks.longest_s + ENDS_APART_S:
            raise Unusable(f"its sound goes on after {tracks.longest_s:g} s; a clip lasts at most that")
    if layout is not None:
        yield begin, np.concatenate([*parts, *_heard(resampler, None)])
    cancelled.check()


def _resampler() -> av.AudioResampler:
    return av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE_HZ)


def _heard(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> list[np.ndarray]:
    """Return the samples that come out when a frame goes in; None brings those that are still in the filter."""
    return [out.to_ndarray()[0] for out in resampler.resample(frame)]


def _stamp(frame: av.AudioFrame, tracks: Tracks) -> float:
    """Return the time of the first frame; without a stamp, the time at which the container begins."""
    return float(frame.time) if frame.time is not None else (tracks.container.start_time or 0) / av.time_base


@dataclass
class Cancelled:
    """The power of the channels and of their mean. A track whose two channels are opposite is silent in one channel."""

    channels: float = 0.0
    mean: float = 0.0

    def add(self, frame: av.AudioFrame) -> None:
        """Raises Unusable for samples that are not numbers."""
        values = frame.to_ndarray().astype(np.float64)
        if not np.isfinite(values).all():
            raise Unusable("its sound has samples that are not numbers")
        values = values if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels).T
        self.channels += float(np.square(values).mean())
        self.mean += float(np.square(values.mean(0)).mean())

    def check(self) -> None:
        """Raises Unusable if the channels cancel each other out."""
        if self.mean < MOST_CANCELLED * self.channels:
            raise Unusable("its channels cancel each other out: one is the other with opposite sign")


def broken(audio: np.ndarray) -> str | None:
    """Return why samples int16 (n,) cannot be the sound of speech; None if they can."""
    if not np.any(audio):
        return "sound is silence"
    middle = float(np.median(audio))
    away = np.abs(audio - middle)
    active = away > STILL + STILL_SHARE * abs(middle)
    if active.mean() < LEAST_ACTIVE:
        return f"sound is constant but for {int(active.sum())} of {len(audio)} samples"
    for share, most in PEAKS:
        near = float((away[active] > share * away.max()).mean())
        if near > most:
            return f"sound is clipped: {near:.0%} of its samples are within {1 - share:.0%} of its peak"
    return None
