"""Masks: fractions against the exact expectation and the field's figures, run lengths, matched budgets, seeds."""

import numpy as np
import pytest
import torch

from model.config import resolve
from model.kind import Kind
from model.masking import batch_mask, expected_fraction, mask_statistics, sample_spans, sampler, spans_of
from model.masking_kinds import (
    AsAudioMasking,
    AsVideoMasking,
    DifferentialMasking,
    Masking,
    NoMasking,
    OneRate,
    Spans,
    SwappedMasking,
    UniformLengthMasking,
    UniformMasking,
    UniformRateMasking,
)


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


AUDIO, VIDEO = Spans(rate=0.8, length=10), Spans(rate=0.3, length=5)
BOTH = {"audio": AUDIO, "video": VIDEO}


def share(kind: Kind, stream: str, frames: int) -> float:
    """The exact mean fraction that a kind masks."""
    spans = spans_of(kind, stream, frames)
    return 0.0 if spans is None else expected_fraction(frames, spans)


@pytest.mark.parametrize("frames", [30, 43, 75, 100])
@pytest.mark.parametrize("kind", [UniformMasking(**BOTH), UniformMasking(**BOTH, length=3), UniformRateMasking(**BOTH)])
def test_one_matched_rate_masks_as_much_as_the_two_streams_did(kind: OneRate, frames: int) -> None:
    wanted = (expected_fraction(frames, AUDIO) + expected_fraction(frames, VIDEO)) / 2
    assert (share(kind, "audio", frames) + share(kind, "video", frames)) / 2 == pytest.approx(wanted, abs=1e-6)
    rates = {spans_of(kind, stream, frames).rate for stream in BOTH}  # type: ignore[union-attr]
    assert len(rates) == 1


def test_sampled_masks_of_a_matched_rate_meet_the_budget() -> None:
    generator = np.random.default_rng(2)
    drawn = np.mean([sampler(UniformMasking(**BOTH), "audio")(100, generator).mean() for _ in range(8000)])
    differential = [share(DifferentialMasking(**BOTH), stream, 100) for stream in BOTH]
    assert drawn == pytest.approx(np.mean(differential), abs=0.005)


@pytest.mark.parametrize("frames", [30, 75])
def test_one_matched_length_masks_each_stream_as_much_as_before(frames: int) -> None:
    matched, free = UniformLengthMasking(**BOTH), UniformLengthMasking(**BOTH, budget=None)
    for stream, spans in BOTH.items():
        assert share(matched, stream, frames) == pytest.approx(expected_fraction(frames, spans), abs=1e-6)
        assert spans_of(free, stream, frames) == Spans(rate=spans.rate, length=8)
        assert spans_of(matched, stream, frames).length == 8  # type: ignore[union-attr]


def test_the_other_kinds_are_made_of_the_two_streams_spans() -> None:
    made = {
        SwappedMasking(**BOTH): (VIDEO, AUDIO),
        AsAudioMasking(**BOTH): (AUDIO, AUDIO),
        AsVideoMasking(**BOTH): (VIDEO, VIDEO),
        DifferentialMasking(**BOTH): (AUDIO, VIDEO),
        NoMasking(): (None, None),
        UniformMasking(**BOTH, rate=0.5, length=7): (Spans(rate=0.5, length=7), Spans(rate=0.5, length=7)),
        UniformRateMasking(**BOTH, rate=0.5): (Spans(rate=0.5, length=10), Spans(rate=0.5, length=5)),
    }
    for kind, expected in made.items():
        assert (spans_of(kind, "audio", 100), spans_of(kind, "video", 100)) == expected, kind


def test_a_plans_own_masking_is_what_its_arms_are_matched_to() -> None:
    heavy = {"kind": "differential", "audio": {"rate": 0.6, "length": 8}, "video": {"rate": 0.4, "length": 4}}
    for arm in ("uniform", "uniform_rate", "uniform_length", "swapped", "as_audio", "as_video", "differential"):
        masking = resolve("tiny", {"masking": heavy}, {"masking": arm}).parts.masking
        assert isinstance(masking, Masking)
        assert (masking.audio, masking.video) == (Spans(rate=0.6, length=8), Spans(rate=0.4, length=4)), arm
    assert resolve("tiny", {"masking": heavy}, {"masking": "none"}).parts.masking == NoMasking()
    default = resolve("tiny", {}, {"masking": "uniform"}).parts.masking
    assert resolve("tiny", {"masking": "none"}, {"masking": "uniform"}).parts.masking == default


def test_fractions_and_runs_are_counted_without_padding() -> None:
    mask = torch.tensor([[True, True, False, True], [False, True, True, False]])
    found = mask_statistics({"audio": mask, "video": mask & False}, [4, 3])
    assert found == {"audio": {"fraction": 5 / 7, "run": 5 / 3}, "video": {"fraction": 0.0, "run": 0.0}}


@pytest.mark.parametrize(("stream", "fraction", "run"), [("audio", 0.57, 15.8), ("video", 0.27, 5.9)])
def test_a_clip_is_masked_alike_whatever_else_is_in_its_batch(stream: str, fraction: float, run: float) -> None:
    sample, generator = sampler(DifferentialMasking(**BOTH), stream), np.random.default_rng(5)
    for others in ([], [20, 20], [400, 100, 7]):
        rows = [batch_mask([100, *others], sample, generator)[:1, :100] for _ in range(1500)]
        found = mask_statistics({stream: torch.cat(rows)}, [100] * len(rows))[stream]
        assert found["fraction"] == pytest.approx(fraction, abs=0.02)
        assert found["run"] == pytest.approx(run, rel=0.1)


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
