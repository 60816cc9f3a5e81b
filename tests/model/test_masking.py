"""Masks: fractions against the exact expectation and the field's figures, run lengths, matched budgets, seeds."""

import numpy as np
import pytest

from model.masking import batch_mask, expected_fraction, matched_rate, sample_spans, sampler
from model.parts import DifferentialMasking, NoMasking, Spans, UniformMasking


def runs(mask: np.ndarray) -> np.ndarray:
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return edges[1::2] - edges[::2]


def draw(spans: Spans, frames: int, count: int = 3000) -> np.ndarray:
    generator = np.random.default_rng(7)
    return np.stack([sample_spans(frames, spans, generator) for _ in range(count)])


@pytest.mark.parametrize(
    ("rate", "length", "fraction", "run"), [(0.8, 10, 0.57, 15.8), (0.3, 5, 0.27, 5.9)], ids=["audio", "video"]
)
def test_av_huberts_values_mask_what_was_measured_of_them(
    rate: float, length: int, fraction: float, run: float
) -> None:
    masks = draw(Spans(rate=rate, length=length), 100)
    assert masks.mean() == pytest.approx(fraction, abs=0.02)
    assert np.mean(np.concatenate([runs(mask) for mask in masks])) == pytest.approx(run, rel=0.1)


@pytest.mark.parametrize("frames", [7, 23, 40, 100])
@pytest.mark.parametrize("spans", [Spans(rate=0.8, length=10), Spans(rate=0.33, length=5), Spans(rate=0.1, length=3)])
def test_the_expected_fraction_is_what_sampling_gives(frames: int, spans: Spans) -> None:
    assert draw(spans, frames, 6000).mean() == pytest.approx(expected_fraction(frames, spans), abs=0.008)


@pytest.mark.parametrize("frames", [30, 43, 75, 100])
def test_matched_uniform_masking_masks_as_much_as_the_two_streams_did(frames: int) -> None:
    budget = DifferentialMasking(audio=Spans(rate=0.8, length=10), video=Spans(rate=0.3, length=5))
    rate = matched_rate(frames, 8, budget)
    wanted = (expected_fraction(frames, budget.audio) + expected_fraction(frames, budget.video)) / 2
    assert expected_fraction(frames, Spans(rate=rate, length=8)) == pytest.approx(wanted, abs=1e-6)


def test_the_longest_clip_of_a_ragged_batch_keeps_its_long_runs() -> None:
    """Samplers that trim every utterance to the batch's smallest count give runs of 1.6 here."""
    kind = DifferentialMasking(audio=Spans(rate=0.8, length=10), video=Spans(rate=0.3, length=5))
    sample, generator = sampler(kind, "audio"), np.random.default_rng(3)
    longest = [batch_mask([400, 30, 30, 60], sample, generator)[0].numpy() for _ in range(200)]
    assert np.mean(np.concatenate([runs(mask) for mask in longest])) == pytest.approx(15.8, rel=0.1)


def test_padding_is_never_masked() -> None:
    mask = batch_mask([5, 40], sampler(DifferentialMasking(), "audio"), np.random.default_rng(0))
    assert mask.shape == (2, 40)
    assert not mask[0, 5:].any()


def test_uniform_masks_both_streams_alike_and_none_masks_nothing() -> None:
    def fraction(kind: object, stream: str) -> float:
        generator = np.random.default_rng(5)
        return float(np.mean([sampler(kind, stream)(40, generator).mean() for _ in range(4000)]))  # type: ignore[arg-type]

    assert fraction(UniformMasking(budget="matched"), "audio") == fraction(UniformMasking(budget="matched"), "video")
    assert fraction(DifferentialMasking(), "audio") > fraction(DifferentialMasking(), "video") + 0.05
    assert fraction(NoMasking(), "audio") == 0


def test_the_seed_matters_and_repeats() -> None:
    def one(seed: int) -> list[bool]:
        return sample_spans(60, Spans(rate=0.5, length=5), np.random.default_rng(seed)).tolist()

    assert one(1) == one(1)
    assert one(1) != one(2)
