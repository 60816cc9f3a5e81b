"""Joint CTC and attention beam search (Hori et al. 2017), batched over utterances and hypotheses.

Shapes: B utterances, K hypotheses of each, V vocabulary. A hypothesis scores
(1 - ctc_weight) * log p_decoder + ctc_weight * log p_CTC(texts that begin so). Texts that have ended are compared by
score / (units + 1) ** length_penalty; an utterance is done when no open hypothesis is as good by that measure as the
best text that has ended, or has a unit for every frame. It then leaves the batch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.decoder import END, Decoder, Memory
from model.settings import DecoderSettings
from training.ctc_prefix import PrefixScores


@dataclass
class Best:
    """The best text of each utterance that has ended: `texts` (B, U) with their `sizes`, `scores` (B,) per length."""

    texts: Tensor
    sizes: Tensor
    scores: Tensor

    def offer(self, rows: Tensor, texts: Tensor, size: int, scores: Tensor) -> None:
        """Let the hypotheses of utterances `rows` (B',) end, each of `size` units: texts (B', K, U), scores (B', K)."""
        found, which = scores.max(1)
        better = (found > self.scores[rows]).nonzero()[:, 0]
        rows = rows[better]
        self.texts[rows], self.scores[rows], self.sizes[rows] = texts[better, which[better]], found[better], size


@dataclass
class Open:
    """The utterances `rows` (B',) of the batch that are searched on: `texts` (B', K, U) and what is known of each."""

    rows: Tensor
    lengths: Tensor
    texts: Tensor
    attention: Tensor
    ctc: PrefixScores
    memory: Memory

    def keep(self, kept: Tensor) -> None:
        """Drop the utterances that are done, so that they cost nothing any more; `kept` (B'',) are places among `rows`."""
        self.rows, self.lengths, self.texts = self.rows[kept], self.lengths[kept], self.texts[kept]
        self.attention, self.ctc = self.attention[kept], self.ctc.keep(kept)
        self.memory.keep(kept, self.texts.shape[1])

    def extend(self, size: int, attention: Tensor, parents: Tensor, units: Tensor) -> None:
        """Hypotheses `parents` (B', K') go on, each with one of `units` as its unit number `size`; attention (B', K, V)."""
        batch, before, most = self.texts.shape
        self.attention = attention.flatten(1).gather(1, parents * attention.shape[-1] + units)
        self.texts = self.texts.gather(1, parents[..., None].expand(-1, -1, most))
        self.texts[..., size] = units
        self.memory.reorder((parents + torch.arange(batch, device=parents.device)[:, None] * before).flatten())
        self.ctc = self.ctc.choose(parents, units)


@torch.inference_mode()
def beam_search(
    decoder: Decoder, fused: Tensor, padding: Tensor, log_probs: Tensor, settings: DecoderSettings
) -> list[list[int]]:
    """The best text of each utterance, as units.

    `fused` (B, T, D) are the frames, `padding` (B, T) is True where there is none, `log_probs` (B, T, V) are CTC's.
    """
    going = _begin(decoder, fused, padding, log_probs)
    best = Best(going.texts[:, 0].clone(), torch.zeros_like(going.lengths), going.attention[:, 0] - torch.inf)
    newest = going.lengths.new_full((len(fused), 1), END)
    for size in range(going.texts.shape[-1] + 1):
        attention = going.attention[..., None] + decoder.step(newest, size, going.memory).double()  # (B', K, V)
        per_length = (size + 1) ** settings.length_penalty
        ended = _joint(attention[..., END], going.ctc.whole(), settings) / per_length
        best.offer(going.rows, going.texts, size, ended)
        scores, parents, newest = _top(_joint(attention, going.ctc.extended(), settings), settings.beam_size)
        is_open = (going.lengths > size) & (scores[:, 0] / per_length > best.scores[going.rows])
        if not is_open.all():
            kept = is_open.nonzero()[:, 0]
            if not len(kept):
                break
            going.keep(kept)
            attention, parents, newest = attention[kept], parents[kept], newest[kept]
        going.extend(size, attention, parents, newest)
    return [text[:size] for text, size in zip(best.texts.tolist(), best.sizes.tolist(), strict=True)]


def _begin(decoder: Decoder, fused: Tensor, padding: Tensor, log_probs: Tensor) -> Open:
    """One empty hypothesis per utterance."""
    lengths = (~padding).sum(1)
    ctc = PrefixScores.start(log_probs, lengths)
    return Open(
        rows=torch.arange(len(fused), device=fused.device),
        lengths=lengths,
        texts=lengths.new_zeros(len(fused), 1, int(lengths.max())),
        attention=torch.zeros_like(ctc.whole()),
        ctc=ctc,
        memory=decoder.remember(fused, padding),
    )


def _joint(attention: Tensor, ctc: Tensor, settings: DecoderSettings) -> Tensor:
    return (1 - settings.ctc_weight) * attention + settings.ctc_weight * ctc


def _top(scores: Tensor, beam: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, K, V) -> scores, hypotheses and units of the `beam` best continuations, each (B, K'), the best first."""
    units = scores[..., END + 1 :]
    found, places = units.flatten(1).topk(min(beam, units[0].numel()), dim=1)
    return found, places // units.shape[-1], places % units.shape[-1] + END + 1
