"""Joint CTC and attention beam search (Hori et al. 2017), batched over utterances and hypotheses.

Shapes: B utterances, K hypotheses of each, V vocabulary. A hypothesis scores
(1 - ctc_weight) * log p_decoder + ctc_weight * log p_CTC(texts that begin so). Texts that have ended are compared by
score / (units + 1) ** length_exponent; an utterance is done when no open hypothesis is as good by that measure as the
best text that has ended, or has a unit for every frame.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.config import DecoderSettings
from model.decoder import END, Decoder
from training.ctc_prefix import PrefixScores


@dataclass
class Best:
    """The best text of each utterance that has ended: `texts` (B, U) with their `sizes`, `scores` (B,) per length."""

    texts: Tensor
    sizes: Tensor
    scores: Tensor


@torch.inference_mode()
def beam_search(
    decoder: Decoder, fused: Tensor, padding: Tensor, log_probs: Tensor, settings: DecoderSettings
) -> list[list[int]]:
    """The best text of each utterance, as units.

    `fused` (B, T, D) are the frames, `padding` (B, T) is True where there is none, `log_probs` (B, T, V) are CTC's.
    """
    lengths = (~padding).sum(1)
    batch, most = len(fused), int(lengths.max())
    memory = decoder.remember(fused, padding)
    ctc = PrefixScores.start(log_probs, lengths)
    attention = ctc.whole().new_zeros(batch, 1)
    texts = lengths.new_zeros(batch, 1, most)
    newest = lengths.new_full((batch, 1), END)
    best = Best(lengths.new_zeros(batch, most), torch.zeros_like(lengths), attention.new_full((batch,), -torch.inf))
    is_open = torch.ones_like(lengths, dtype=torch.bool)
    for size in range(most + 1):
        attention = attention[..., None] + decoder.step(newest, size, memory).double()  # (B, K, V)
        _end(best, texts, size, _joint(attention[..., END], ctc.whole(), settings), is_open, settings)
        scores = _joint(attention, ctc.extended(), settings)
        scores, parents, newest = _top(scores, settings.beam)
        is_open &= (lengths > size) & (scores[:, 0] / (size + 1) ** settings.length_exponent > best.scores)
        if not is_open.any():
            break
        attention = attention.flatten(1).gather(1, parents * attention.shape[-1] + newest)
        memory.reorder((parents + torch.arange(batch, device=parents.device)[:, None] * texts.shape[1]).flatten())
        texts = texts.gather(1, parents[..., None].expand(-1, -1, most)).clone()
        texts[..., size] = newest
        ctc = ctc.choose(parents, newest)
    return [text[:size] for text, size in zip(best.texts.tolist(), best.sizes.tolist(), strict=True)]


def _joint(attention: Tensor, ctc: Tensor, settings: DecoderSettings) -> Tensor:
    return (1 - settings.ctc_weight) * attention + settings.ctc_weight * ctc


def _top(scores: Tensor, beam: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, K, V) -> scores, hypotheses and units of the `beam` best continuations, each (B, K'), the best first."""
    units = scores[..., END + 1 :]
    found, places = units.flatten(1).topk(min(beam, units[0].numel()), dim=1)
    return found, places // units.shape[-1], places % units.shape[-1] + END + 1


def _end(best: Best, texts: Tensor, size: int, scores: Tensor, is_open: Tensor, settings: DecoderSettings) -> None:
    """Let every hypothesis (scores (B, K), each of `size` units) end here, and keep the best of an open utterance."""
    found, which = (scores / (size + 1) ** settings.length_exponent).max(1)
    better = is_open & (found > best.scores)
    best.scores = torch.where(better, found, best.scores)
    best.sizes = torch.where(better, size, best.sizes)
    best.texts = torch.where(better[:, None], texts[torch.arange(len(texts), device=texts.device), which], best.texts)
