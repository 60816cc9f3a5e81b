"""The batched search against the definition of CTC's prefix probability and against a search of one utterance at a time."""

import itertools
import math
from itertools import groupby

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.decoder import Decoder, Memory
from model.settings import DecoderSettings
from training.ctc_prefix import NEVER, PrefixScores, log_probability_of_units
from training.search import beam_search

VOCABULARY, WIDTH = 4, 16


def random_log_probs(batch: int, frames: int, seed: int = 0, vocabulary: int = VOCABULARY) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(batch, frames, vocabulary, generator=generator)).log_softmax(-1)


def by_enumeration(log_probs: Tensor, prefix: tuple[int, ...], whole: bool) -> float:
    """Sum over all paths whose text is `prefix`, or begins with it; log_probs (T, V)."""
    total = 0.0
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        text = tuple(unit for unit, _ in groupby(path) if unit)
        if text == prefix if whole else text[: len(prefix)] == prefix:
            total += math.exp(sum(log_probs[t, unit].item() for t, unit in enumerate(path)))
    return math.log(total) if total else -math.inf


@pytest.mark.parametrize("prefix", [(), (1,), (1, 2), (2, 2), (3, 3, 1)])
def test_prefix_scores_are_the_sums_over_all_paths(prefix: tuple[int, ...]) -> None:
    frames = (5, 3)
    log_probs = random_log_probs(2, 5)
    scores = PrefixScores.start(log_probs, torch.tensor(frames))
    for unit in prefix:
        scores = scores.choose(torch.zeros(2, 1, dtype=torch.long), torch.full((2, 1), unit))
    whole, extended = scores.whole(), scores.extended()
    assert (extended[..., 0] == NEVER).all()
    for row, length in enumerate(frames):
        own = log_probs[row, :length]
        assert close(whole[row, 0], by_enumeration(own, prefix, whole=True))
        for unit in range(1, VOCABULARY):
            assert close(extended[row, 0, unit], by_enumeration(own, (*prefix, unit), whole=False))


def close(found: Tensor, wanted: float) -> bool:
    return found.item() < -1e29 if wanted == -math.inf else math.isclose(found.item(), wanted, abs_tol=1e-6)


def test_prefix_scores_hold_for_many_frames_and_rare_units() -> None:
    log_probs = random_log_probs(1, 400, vocabulary=3)
    log_probs[..., 2] = -80.0
    scores = PrefixScores.start(log_probs, torch.tensor([400])).choose(torch.tensor([[0]]), torch.tensor([[2]]))
    unit, blank = -math.inf, -math.inf  # the recurrence, frame by frame
    empty = 0.0
    for frame in log_probs[0].double():
        unit, blank, empty = (
            float(frame[2]) + add(unit, empty),
            float(frame[0]) + add(unit, blank),
            empty + float(frame[0]),
        )
    assert scores.whole().item() == pytest.approx(add(unit, blank), rel=1e-9)


def add(*logs: float) -> float:
    return torch.tensor(logs, dtype=torch.double).logsumexp(0).item()


def plain_search(decoder: Decoder, fused: Tensor, log_probs: Tensor, settings: DecoderSettings) -> list[int]:
    """One utterance, one hypothesis after the other, all of its text through the decoder each time, no cache, no early end."""
    frames, vocabulary = log_probs.shape
    weight, power = settings.ctc_weight, settings.length_penalty
    memo: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {(): (torch.full((frames + 1,), -math.inf).double(), None)}
    memo[()] = (memo[()][0], torch.cat([torch.zeros(1), log_probs[:, 0].cumsum(0)]).double())

    def state(text: tuple[int, ...]) -> tuple[Tensor, Tensor, float]:
        unit_before, blank_before = memo[text[:-1]]
        unit, blank, prefix = [-math.inf], [-math.inf], -math.inf
        for t in range(frames):
            free = blank_before[t].item()
            begun = free if text[-2:-1] == text[-1:] else add(free, unit_before[t].item())
            own = log_probs[t, text[-1]].item()
            prefix = add(prefix, begun + own)
            blank.append(add(unit[t], blank[t]) + log_probs[t, 0].item())
            unit.append(add(unit[t], begun) + own)
        return torch.tensor(unit).double(), torch.tensor(blank).double(), prefix

    def attention(text: tuple[int, ...]) -> Tensor:
        """Log-probability of each unit of `text` and of what may follow: (V,) sums."""
        told = torch.tensor([[0, *text]])
        logits = decoder(fused[None], torch.zeros(1, frames, dtype=torch.bool), told)[0].log_softmax(-1)
        so_far = sum(logits[n, unit].item() for n, unit in enumerate(text))
        return so_far + logits[-1]

    beam, best = [()], (-math.inf, ())
    for size in range(frames + 1):
        options = []
        for text in beam:
            scores = attention(text)
            whole = add(memo[text][0][-1].item(), memo[text][1][-1].item())
            ended = ((1 - weight) * scores[0].item() + weight * max(whole, NEVER)) / (size + 1) ** power
            best = max(best, (ended, text), key=lambda pair: pair[0])
            for unit in range(1, vocabulary):
                longer = (*text, unit)
                *kept, prefix = state(longer)
                memo[longer] = (kept[0], kept[1])
                options.append(((1 - weight) * scores[unit].item() + weight * max(prefix, NEVER), longer))
        options.sort(key=lambda pair: -pair[0])
        beam = [text for _, text in options[: settings.beam_size]]
    return list(best[1])


@pytest.mark.parametrize(("beam", "weight", "power"), [(3, 0.3, 1.0), (1, 0.1, 0.0), (8, 0.0, 1.0), (8, 0.7, 2.0)])
def test_the_batched_search_finds_what_a_plain_one_finds(beam: int, weight: float, power: float) -> None:
    settings = DecoderSettings(
        layers=2, heads=2, feedforward=32, beam_size=beam, ctc_weight=weight, length_penalty=power, dropout=0.1
    )
    lengths = (9, 4, 7, 1)
    torch.manual_seed(3)
    decoder = Decoder(settings, WIDTH, VOCABULARY).eval()
    decoder.out.weight.data *= 3  # an untrained decoder is undecided; here are clear texts of several units
    fused, log_probs = torch.randn(4, 9, WIDTH), random_log_probs(4, 9, seed=5)
    padding = torch.arange(9)[None] >= torch.tensor(lengths)[:, None]
    found = beam_search(decoder, fused, padding, log_probs, settings)
    with torch.no_grad():
        rows = zip(fused, log_probs, lengths, strict=True)
        wanted = [plain_search(decoder, frame[:n], probs[:n], settings) for frame, probs, n in rows]
    assert found == wanted
    assert len({tuple(text) for text in found}) > 1


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("weight", [0.0, 0.1, 0.5, 1.0])
def test_a_beam_of_all_hypotheses_finds_the_best_text(weight: float, power: float) -> None:
    """Of all texts of up to one unit a frame, each by the sum of its paths and by the whole decoder: an exhaustive search."""
    settings = DecoderSettings(
        layers=1, heads=2, feedforward=32, beam_size=1000, ctc_weight=weight, length_penalty=power
    )
    torch.manual_seed(4)
    decoder, lengths = Decoder(settings, WIDTH, 3).eval(), [5, 4, 5, 2, 1, 5]
    decoder.out.weight.data *= 3
    fused, log_probs = torch.randn(6, 5, WIDTH), random_log_probs(6, 5, seed=8, vocabulary=3)
    padding = torch.arange(5)[None] >= torch.tensor(lengths)[:, None]
    found = beam_search(decoder, fused, padding, log_probs, settings)
    for row, (text, frames) in enumerate(zip(found, lengths, strict=True)):
        texts = [each for size in range(frames + 1) for each in itertools.product((1, 2), repeat=size)]
        scores = {
            each: exact_score(decoder, fused[row, :frames], log_probs[row, :frames], each, weight)
            / (len(each) + 1) ** power
            for each in texts
        }
        assert scores[tuple(text)] == pytest.approx(max(scores.values()), abs=1e-6)
    assert any(found)


def test_the_bound_of_ctc_holds_for_texts_of_any_length() -> None:
    log_probs, lengths = random_log_probs(2, 4, seed=3, vocabulary=3), (4, 3)
    bounds = log_probability_of_units(log_probs, torch.tensor(lengths))
    for row, frames in enumerate(lengths):
        for units in range(frames + 1):
            texts = itertools.product((1, 2), repeat=units)
            best = max(by_enumeration(log_probs[row, :frames], text, whole=True) for text in texts)
            assert best <= bounds[row, units] + 1e-9
        assert (bounds[row, frames + 1 :] == NEVER).all()
    assert bounds[:, 0].exp().tolist() == pytest.approx([1, 1])


def test_a_clear_text_ends_the_search_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """CTC rules out long texts, so the penalty on length does not make every search as long as its utterance."""
    settings = DecoderSettings(layers=1, heads=2, feedforward=32, beam_size=4, length_penalty=1)
    torch.manual_seed(0)
    decoder, steps = Decoder(settings, WIDTH, VOCABULARY).eval(), []
    step = decoder.step
    monkeypatch.setattr(decoder, "step", lambda *arguments: steps.append(1) or step(*arguments))
    spoken = torch.zeros(1, 200, dtype=torch.long)
    spoken[0, [40, 90, 150]] = torch.tensor([1, 2, 3])
    log_probs = (20.0 * F.one_hot(spoken, VOCABULARY)).log_softmax(-1)
    decoder.out.weight.data.zero_()
    beam_search(decoder, torch.randn(1, 200, WIDTH), torch.zeros(1, 200, dtype=torch.bool), log_probs, settings)
    assert len(steps) < 20


def exact_score(decoder: Decoder, fused: Tensor, log_probs: Tensor, text: tuple[int, ...], weight: float) -> float:
    with torch.no_grad():
        told = torch.tensor([[0, *text]])
        logits = decoder(fused[None], torch.zeros(1, len(fused), dtype=torch.bool), told)[0].log_softmax(-1)
    spoken = sum(logits[n, unit].item() for n, unit in enumerate((*text, 0)))
    heard = by_enumeration(log_probs, text, whole=True) if weight else 0.0
    return (1 - weight) * spoken + weight * max(heard, NEVER)


def test_an_utterance_that_is_done_costs_nothing_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = DecoderSettings(layers=1, heads=2, feedforward=32, beam_size=4)
    torch.manual_seed(0)
    decoder, rows = Decoder(settings, WIDTH, VOCABULARY).eval(), []
    step = decoder.step

    def noting(units: Tensor, position: int, memory: Memory) -> Tensor:
        rows.append((len(units), len(memory.frames[0][0])))
        return step(units, position, memory)

    monkeypatch.setattr(decoder, "step", noting)
    padding = torch.arange(9)[None] >= torch.tensor([2, 9, 1, 4])[:, None]
    beam_search(decoder, torch.randn(4, 9, WIDTH), padding, random_log_probs(4, 9), settings)
    batch = [size for size, _ in rows]
    assert batch == [kept for _, kept in rows] == sorted(batch, reverse=True)
    assert batch[0] == 4
    assert batch[2] <= 3
    assert batch[5:] in ([], [1] * len(batch[5:]))


def test_padding_and_neighbours_change_no_text() -> None:
    settings = DecoderSettings(layers=1, heads=2, feedforward=32, beam_size=4)
    torch.manual_seed(0)
    decoder = Decoder(settings, WIDTH, 8).eval()
    fused, log_probs = torch.randn(3, 12, WIDTH), random_log_probs(3, 12, vocabulary=8)
    padding = torch.arange(12)[None] >= torch.tensor([12, 5, 8])[:, None]
    together = beam_search(decoder, fused, padding, log_probs, settings)
    fused[padding], log_probs[padding] = 99.0, -0.5
    assert beam_search(decoder, fused, padding, log_probs, settings) == together
    alone = beam_search(decoder, fused[1:2, :5], padding[1:2, :5], log_probs[1:2, :5], settings)
    assert alone == together[1:2]


def test_incremental_decoding_gives_what_the_whole_text_gives() -> None:
    settings = DecoderSettings(layers=2, heads=4, feedforward=32)
    torch.manual_seed(1)
    decoder = Decoder(settings, WIDTH, 6).eval()
    fused, padding = torch.randn(2, 7, WIDTH), torch.arange(7)[None] >= torch.tensor([7, 4])[:, None]
    units = torch.tensor([[[0, 3, 1], [0, 2, 5]], [[0, 1, 1], [0, 4, 2]]])  # two utterances, two hypotheses each
    memory = decoder.remember(fused, padding)
    steps = torch.stack([decoder.step(units[..., n], n, memory) for n in range(3)], dim=2)
    for k in range(2):
        whole = decoder(fused, padding, units[:, k]).log_softmax(-1)
        torch.testing.assert_close(steps[:, k], whole, rtol=1e-4, atol=1e-5)


def test_the_loss_is_cross_entropy_over_units_and_end() -> None:
    torch.manual_seed(2)
    decoder = Decoder(DecoderSettings(layers=1, heads=2, feedforward=32, dropout=0.0), WIDTH, 6)
    fused, padding = torch.randn(2, 5, WIDTH), torch.zeros(2, 5, dtype=torch.bool)
    whole = decoder.loss(fused, padding, [[1, 2, 3], [4]], 0.0)
    parts = [decoder.loss(fused[row : row + 1], padding[:1], [text], 0.0) for row, text in enumerate([[1, 2, 3], [4]])]
    assert whole.item() == pytest.approx((4 * parts[0].item() + 2 * parts[1].item()) / 6, rel=1e-5)
    assert decoder.loss(fused, padding, [[1, 2, 3], [4]], 0.1).item() != pytest.approx(whole.item())
