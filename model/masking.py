"""Masks of the student branch: random spans of frames per utterance and stream.

The number of spans is `rate * frames / length`, rounded up or down at random so that its mean is exact. Starts are drawn
without replacement. Each utterance is drawn separately. A batch is never trimmed to its smallest mask count, because that
would unmask random frames and break the spans.
"""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from model import masking_kinds as kinds
from model.kind import Kind
from model.masking_kinds import Masking, Spans

MaskSampler = Callable[[int, np.random.Generator], np.ndarray]


def sample_spans(frames: int, spans: Spans, generator: np.random.Generator) -> np.ndarray:
    """Return bool (frames,), True = masked. A clip shorter than a span gets spans of half its length."""
    length = min(spans.length, max(1, frames // 2))
    positions = frames - length + 1
    count = min(positions, int(spans.rate * frames / length + generator.random()))
    starts = generator.choice(positions, count, replace=False)
    mask = np.zeros(frames, bool)
    mask[(starts[:, None] + np.arange(length)).ravel()] = True
    return mask


@lru_cache(maxsize=4096)
def expected_fraction(frames: int, spans: Spans) -> float:
    """Return the exact mean of the masked fraction of `sample_spans`.

    Frame t stays visible if none of the `count` starts is at a position that covers it. Starts are drawn without
    replacement, so this probability is hypergeometric.
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
    """Return the common rate at which spans of `lengths`, one per stream, mask as many frames on average as `budget`.

    It is computed for every number of frames. It can exceed 1 if short spans have to mask many frames.
    """
    from scipy.optimize import brentq  # this import takes a second, and only arms with a matched budget need it

    target = float(np.mean([expected_fraction(frames, spans) for spans in budget]))

    def excess(rate: float) -> float:
        return float(np.mean([expected_fraction(frames, _spans(rate, length)) for length in lengths])) - target

    upper = 1.0
    while excess(upper) < 0:
        upper *= 2
    return float(brentq(excess, 0.0, upper))


def spans_of(kind: Kind, stream: str, frames: int) -> Spans | None:
    """Return the spans by which `kind` masks `stream` ("audio" or "video") in an utterance of `frames`; None for no masks."""
    if isinstance(kind, kinds.NoMasking):
        return None
    if not isinstance(kind, Masking):
        raise TypeError(f"no spans for {kind!r}")
    both, own = (kind.audio, kind.video), kind.audio if stream == "audio" else kind.video
    match kind:
        case kinds.DifferentialMasking():
            return own
        case kinds.UniformMasking():
            length = kind.length or _mean_length(kind)
            rate = matched_rate(frames, (length,), both) if kind.rate is None else kind.rate
            return _spans(rate, length)
        case kinds.UniformRateMasking():
            lengths = (kind.audio.length, kind.video.length)
            return _spans(matched_rate(frames, lengths, both) if kind.rate is None else kind.rate, own.length)
        case kinds.UniformLengthMasking():
            length = kind.length or _mean_length(kind)
            return _spans(matched_rate(frames, (length,), (own,)) if kind.budget else own.rate, length)
        case kinds.SwappedMasking():
            return kind.video if stream == "audio" else kind.audio
        case kinds.AsAudioMasking():
            return kind.audio
        case kinds.AsVideoMasking():
            return kind.video
    raise TypeError(f"no spans for {kind!r}")


def _spans(rate: float, length: int) -> Spans:
    """Return computed spans without validation: their rate may exceed 1."""
    return Spans.model_construct(rate=rate, length=length)


def _mean_length(kind: Masking) -> int:
    return round((kind.audio.length + kind.video.length) / 2)


def sample(kind: Kind, stream: str, frames: int, generator: np.random.Generator) -> np.ndarray:
    """Return bool (frames,), True = masked."""
    spans = spans_of(kind, stream, frames)
    return np.zeros(frames, bool) if spans is None else sample_spans(frames, spans, generator)


def sampler(kind: Kind, stream: str) -> MaskSampler:
    """Return the function by which `kind` masks `stream` ("audio" or "video"): (frames, generator) -> bool (frames,)."""
    return partial(sample, kind, stream)


def mask_statistics(masks: dict[str, Tensor], lengths: list[int]) -> dict[str, dict[str, float]]:
    """Return two numbers per stream: `fraction` of the frames without padding, and `run`, the mean length of a masked run.

    `run` is in frames; 0 without masked frames.
    """
    found = {}
    for name, mask in masks.items():
        before = torch.nn.functional.pad(mask, (1, 0))[:, :-1]
        masked, runs = mask.sum().item(), (mask & ~before).sum().item()
        found[name] = {"fraction": masked / sum(lengths), "run": masked / runs if runs else 0.0}
    return found


def batch_mask(
    lengths: list[int], sample: MaskSampler, generator: np.random.Generator, probability: float = 1.0
) -> Tensor:
    """Return bool (B, T), True = masked. Padding is never masked. An utterance gets masks with `probability`."""
    masks = np.zeros((len(lengths), max(lengths)), bool)
    for row, frames in enumerate(lengths):
        if generator.random() < probability:
            masks[row, :frames] = sample(frames, generator)
    return torch.from_numpy(masks)
