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

from model.kind import Kind
from model.masking_kinds import (
    AsAudioMasking,
    AsVideoMasking,
    Masking,
    NoMasking,
    Spans,
    SwappedMasking,
    UniformLengthMasking,
    UniformMasking,
    UniformRateMasking,
)

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
def matched_rate(frames: int, lengths: tuple[int, ...], budget: tuple[Spans, ...]) -> float:
    """The one rate at which spans of `lengths`, a stream each, mask on average as many frames as `budget` does.

    Solved for every number of frames. It can exceed 1 where short spans have to hide much.
    """
    from scipy.optimize import brentq  # takes a second that only the arms with a matched budget need

    target = float(np.mean([expected_fraction(frames, spans) for spans in budget]))

    def excess(rate: float) -> float:
        return float(np.mean([expected_fraction(frames, _spans(rate, length)) for length in lengths])) - target

    most = 1.0
    while excess(most) < 0:
        most *= 2
    return float(brentq(excess, 0.0, most))


def spans_of(kind: Kind, stream: str, frames: int) -> Spans | None:
    """The spans by which `kind` masks `stream` ("audio" or "video") in an utterance of `frames`; None for no masks."""
    if isinstance(kind, NoMasking):
        return None
    assert isinstance(kind, Masking)
    both, own = (kind.audio, kind.video), kind.audio if stream == "audio" else kind.video
    match kind:
        case UniformMasking():
            length = kind.length or _mean_length(kind)
            rate = matched_rate(frames, (length,), both) if kind.rate is None else kind.rate
            return _spans(rate, length)
        case UniformRateMasking():
            lengths = (kind.audio.length, kind.video.length)
            return _spans(matched_rate(frames, lengths, both) if kind.rate is None else kind.rate, own.length)
        case UniformLengthMasking():
            length = kind.length or _mean_length(kind)
            return _spans(matched_rate(frames, (length,), (own,)) if kind.budget else own.rate, length)
        case SwappedMasking():
            return kind.video if stream == "audio" else kind.audio
        case AsAudioMasking():
            return kind.audio
        case AsVideoMasking():
            return kind.video
    return own


def _spans(rate: float, length: int) -> Spans:
    """Spans that were computed and not given, so the rate may exceed 1."""
    return Spans.model_construct(rate=rate, length=length)


def _mean_length(kind: Masking) -> int:
    return round((kind.audio.length + kind.video.length) / 2)


def sample(kind: Kind, stream: str, frames: int, generator: np.random.Generator) -> np.ndarray:
    """Bool (frames,), True = masked."""
    spans = spans_of(kind, stream, frames)
    return np.zeros(frames, bool) if spans is None else sample_spans(frames, spans, generator)


def sampler(kind: Kind, stream: str) -> MaskSampler:
    """The way that `kind` masks `stream` ("audio" or "video"): (frames, generator) -> bool (frames,)."""
    return partial(sample, kind, stream)


def mask_statistics(masks: dict[str, Tensor], lengths: list[int]) -> dict[str, dict[str, float]]:
    """Per stream `fraction`, of all frames that are no padding, and `run`, mean length of a masked run in frames (0: none)."""
    found = {}
    for name, mask in masks.items():
        before = torch.nn.functional.pad(mask, (1, 0))[:, :-1]
        masked, runs = mask.sum().item(), (mask & ~before).sum().item()
        found[name] = {"fraction": masked / sum(lengths), "run": masked / runs if runs else 0.0}
    return found


def batch_mask(lengths: list[int], sample: MaskSampler, generator: np.random.Generator, share: float = 1.0) -> Tensor:
    """Bool (B, T), True = masked; padding is never masked. On average, `share` of the utterances are masked at all."""
    masks = np.zeros((len(lengths), max(lengths)), bool)
    for row, frames in enumerate(lengths):
        if generator.random() < share:
            masks[row, :frames] = sample(frames, generator)
    return torch.from_numpy(masks)
