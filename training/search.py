"""Joint CTC and attention beam search (Hori et al. 2017), batched over utterances and hypotheses.

Shapes: B utterances, K hypotheses of each, V vocabulary. The score of a hypothesis is
(1 - ctc_weight) * log p_decoder + ctc_weight * log p_CTC(all texts with this prefix). Finished texts are ranked by
score / (units + 1) ** length_penalty. An utterance is done when no text that continues an open hypothesis can have a better score
by this measure than the best finished text (`_upper_bound`), or when a hypothesis has one unit per frame. The utterance then
leaves the batch. So a beam that holds all hypotheses finds the best of all texts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.decoder import END, Decoder, Memory
from model.settings import DecoderSettings
from training.ctc_prefix import PrefixScores, log_probability_of_units


@dataclass
class FinishedTexts:
    """The best finished text of each utterance: `texts` (B, U) with their `sizes`, and `scores` (B,) after the length penalty."""

    texts: Tensor
    sizes: Tensor
    scores: Tensor

    def add(self, rows: Tensor, texts: Tensor, size: int, scores: Tensor) -> None:
        """Add finished hypotheses of `size` units for the utterances `rows` (B',): texts (B', K, U), scores (B', K)."""
        found, which = scores.max(1)
        better = (found > self.scores[rows]).nonzero()[:, 0]
        rows = rows[better]
        self.texts[rows], self.scores[rows], self.sizes[rows] = texts[better, which[better]], found[better], size


@dataclass
class OpenHypotheses:
    """The open hypotheses `texts` (B', K, U) of the utterances `rows` (B',) that are not done, with their scores and caches.

    `most` (B', U + 1) is the highest log-probability that CTC can give to a text of 0 ... U units.
    """

    rows: Tensor
    lengths: Tensor
    most: Tensor
    texts: Tensor
    attention: Tensor
    ctc: PrefixScores
    memory: Memory

    def keep(self, kept: Tensor) -> None:
        """Remove utterances that are done, which saves time. `kept` (B'',) are indices into `rows`."""
        self.rows, self.lengths, self.texts = self.rows[kept], self.lengths[kept], self.texts[kept]
        self.most = self.most[kept]
        self.attention, self.ctc = self.attention[kept], self.ctc.keep(kept)
        self.memory.keep(kept, self.texts.shape[1])

    def extend(self, size: int, attention: Tensor, parents: Tensor, units: Tensor) -> None:
        """Extend the hypotheses `parents` (B', K') by one unit each: `units` at index `size`; attention (B', K, V)."""
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
    """Return the best text of each utterance, as units.

    `fused` (B, T, D) are the frames, `padding` (B, T) is True for padding, `log_probs` (B, T, V) are CTC's.
    """
    running = _begin(decoder, fused, padding, log_probs)
    best = FinishedTexts(
        running.texts[:, 0].clone(), torch.zeros_like(running.lengths), running.attention[:, 0] - torch.inf
    )
    newest = running.lengths.new_full((len(fused), 1), END)
    for size in range(running.texts.shape[-1] + 1):
        attention = running.attention[..., None] + decoder.step(newest, size, running.memory).double()  # (B', K, V)
        ended = _joint(attention[..., END], running.ctc.whole(), settings) / (size + 1) ** settings.length_penalty
        best.add(running.rows, running.texts, size, ended)
        scores, parents, newest = _top(_joint(attention, running.ctc.extended(), settings), settings.beam_size)
        possible = _upper_bound(scores[:, 0], attention.flatten(1).amax(1), running.most, size + 1, settings)
        is_open = (running.lengths > size) & (possible > best.scores[running.rows])
        if not is_open.all():
            kept = is_open.nonzero()[:, 0]
            if not len(kept):
                break
            running.keep(kept)
            attention, parents, newest = attention[kept], parents[kept], newest[kept]
        running.extend(size, attention, parents, newest)
    return [text[:size] for text, size in zip(best.texts.tolist(), best.sizes.tolist(), strict=True)]


def _begin(decoder: Decoder, fused: Tensor, padding: Tensor, log_probs: Tensor) -> OpenHypotheses:
    """Return one empty hypothesis per utterance."""
    lengths = (~padding).sum(1)
    ctc = PrefixScores.start(log_probs, lengths)
    return OpenHypotheses(
        rows=torch.arange(len(fused), device=fused.device),
        lengths=lengths,
        most=log_probability_of_units(log_probs, lengths),
        texts=lengths.new_zeros(len(fused), 1, int(lengths.max())),
        attention=torch.zeros_like(ctc.whole()),
        ctc=ctc,
        memory=decoder.remember(fused, padding),
    )


def _joint(attention: Tensor, ctc: Tensor, settings: DecoderSettings) -> Tensor:
    return (1 - settings.ctc_weight) * attention + settings.ctc_weight * ctc


def _upper_bound(joint: Tensor, attention: Tensor, most: Tensor, size: int, settings: DecoderSettings) -> Tensor:
    """Return (B',): no text of at least `size` units that continues an open hypothesis has a higher score.

    `joint` and `attention` (B',) are the highest scores of the open hypotheses. Both are negative and can only fall when a text
    continues, but the division by its final length raises them. Therefore every final length has its own bound. CTC keeps the
    bounds of long texts low: it allows few texts with far more units than frames that are not blank.
    """
    units = torch.arange(size, most.shape[1], device=most.device)
    if not len(units):
        return torch.full_like(joint, -torch.inf)
    whole = _joint(attention[:, None], most[:, size:], settings)
    return (torch.minimum(joint[:, None], whole) / (units + 1) ** settings.length_penalty).amax(1)


def _top(scores: Tensor, beam_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """(B, K, V) -> scores, hypotheses and units of the `beam_size` best continuations, each (B, K'), the best first."""
    units = scores[..., END + 1 :]
    found, places = units.flatten(1).topk(min(beam_size, units[0].numel()), dim=1)
    return found, places // units.shape[-1], places % units.shape[-1] + END + 1
