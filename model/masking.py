"""Which frames the student branch does not see: random spans per utterance and stream.

The number of spans is `rate * frames / length`, rounded up or down at random so that its mean is exact; starts are drawn
without replacement. Utterances are drawn one by one: a batch is never trimmed to its smallest mask count, which
would drop random frames and break the spans.
"""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from model.parts import DifferentialMasking, Kind, NoMasking, Spans, UniformMasking

MaskSampler = Callable[[int, np.random.Generator], np.ndarray]


def sample_spans(frames: int, spans: Spans, generator: np.random.Generator) -> np.ndarray:
    """Bool (frames,), True = masked. Clips shorter than a span are masked by spans of half their length."""
    length = min(spans.length, max(1, frames // 2))
    positions = frames - length + 1
    count = min(positions, int(spans.rate * frames / length + generator.random()))
    starts = generator.choice(positions, count, replace=False)
    mask = np.zeros(frames, bool)
    mask[(starts[:, None] + np.arange(length)).ravel()] = True
    return mask


@lru_cache(maxsize=4096)
def expected_fraction(frames: int, spans: Spans) -> float:
    """The mean masked fraction of `sample_spans`, exactly.

    Frame t stays visible if none of the `count` starts falls among the positions that cover it; starts are drawn
    without replacement, so that chance is hypergeometric.
    """
    length = min(spans.length, max(1, frames // 2))
    positions = frames - length + 1
    t = np.arange(frames)
    covering = np.minimum(t, positions - 1) - np.maximum(t - length + 1, 0) + 1
    wanted = spans.rate * frames / length
    low = int(wanted)

    def masked(count: int) -> float:
        drawn = np.arange(min(count, positions))[:, None]
        visible = np.prod(np.clip(positions - covering - drawn, 0, None) / (positions - drawn), axis=0)
        return float(np.mean(1 - visible))

    return masked(low) + (wanted - low) * (masked(low + 1) - masked(low))


@lru_cache(maxsize=4096)
def matched_rate(frames: int, length: int, budget: DifferentialMasking) -> float:
    """The rate at which spans of `length` mask, on average, what `budget` masks on average over its two streams."""
    from scipy.optimize import brentq  # takes a second that only the arms with a matched budget need

    target = (expected_fraction(frames, budget.audio) + expected_fraction(frames, budget.video)) / 2
    most = expected_fraction(frames, Spans(rate=1.0, length=length))
    if target >= most:
        return 1.0
    return float(brentq(lambda rate: expected_fraction(frames, Spans(rate=rate, length=length)) - target, 0.0, 1.0))


def _differential(kind: DifferentialMasking, stream: str, frames: int, generator: np.random.Generator) -> np.ndarray:
    return sample_spans(frames, kind.audio if stream == "audio" else kind.video, generator)


def _uniform(kind: UniformMasking, _stream: str, frames: int, generator: np.random.Generator) -> np.ndarray:
    rate = matched_rate(frames, kind.length, DifferentialMasking()) if kind.rate is None else kind.rate
    return sample_spans(frames, Spans(rate=rate, length=kind.length), generator)


def _none(_kind: NoMasking, _stream: str, frames: int, _generator: np.random.Generator) -> np.ndarray:
    return np.zeros(frames, bool)


SAMPLERS: dict[type[Kind], Callable[..., np.ndarray]] = {
    DifferentialMasking: _differential,
    UniformMasking: _uniform,
    NoMasking: _none,
}


def sampler(kind: Kind, stream: str) -> MaskSampler:
    """The way that `kind` masks `stream` ("audio" or "video"): (frames, generator) -> bool (frames,)."""
    return partial(SAMPLERS[type(kind)], kind, stream)


def batch_mask(lengths: list[int], sample: MaskSampler, generator: np.random.Generator, share: float = 1.0) -> Tensor:
    """Bool (B, T), True = masked; padding is never masked. On average, `share` of the utterances are masked at all."""
    masks = np.zeros((len(lengths), max(lengths)), bool)
    for row, frames in enumerate(lengths):
        if generator.random() < share:
            masks[row, :frames] = sample(frames, generator)
    return torch.from_numpy(masks)
