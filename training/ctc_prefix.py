"""CTC's probability of all texts with a given prefix (Watanabe et al. 2017), for all hypotheses and all next units at once.

Shapes: B utterances, K hypotheses of each, T frames, V vocabulary with the blank at 0. Every hypothesis has two numbers for every
frame count 0 ... T: the log-probability that the text so far is exactly the hypothesis and the last frame is a unit (`unit`) or a
blank (`blank`). Cumulative sums solve their recurrences over the frames, x[t] = p[t] * (x[t-1] + new[t]). The sum over the frame at
which the next unit begins is a matrix product over the whole vocabulary. So there is no loop over frames or units.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = -1e30  # log of probability 0; finite, so that arithmetic with it gives no NaN


@dataclass
class PrefixScores:
    """`log_probs` (B, T, V) as doubles; `unit`, `blank` (B, K, T + 1); `last` (B, K), -1 for the empty prefix."""

    log_probs: Tensor
    lengths: Tensor
    unit: Tensor
    blank: Tensor
    last: Tensor

    @classmethod
    def start(cls, log_probs: Tensor, lengths: Tensor) -> "PrefixScores":
        """Return one empty hypothesis per utterance. Frames from `lengths` (B,) on are padding."""
        log_probs = log_probs.double()
        blanks = log_probs[:, None, :, 0].cumsum(-1)
        blank = torch.cat([blanks.new_zeros(*blanks.shape[:2], 1), blanks], dim=-1)
        last = torch.full(blank.shape[:2], -1, device=log_probs.device)
        return cls(log_probs, lengths, torch.full_like(blank, NEVER), blank, last)

    def whole(self) -> Tensor:
        """Return (B, K): the log-probability that a hypothesis is the whole text."""
        at = self.lengths[:, None, None].expand(*self.last.shape, 1)
        return torch.logaddexp(self.unit.gather(-1, at), self.blank.gather(-1, at))[..., 0]

    def extended(self) -> Tensor:
        """Return (B, K, V): the log-probability that the text begins with a hypothesis and then a unit; NEVER for the blank."""
        frames = torch.arange(self.log_probs.shape[1], device=self.last.device)
        inside = frames < self.lengths[:, None]  # (B, T)
        probs = self.log_probs.exp() * inside[..., None]
        scores = _log_product(torch.logaddexp(self.unit, self.blank)[..., :-1], probs)
        # A unit can only be repeated after a blank.
        repeated = self.last.clamp(min=0)[..., None]
        own = self.log_probs.transpose(1, 2).gather(1, repeated.expand(-1, -1, len(frames)))
        again = (self.blank[..., :-1] + own.masked_fill(~inside[:, None], NEVER)).logsumexp(-1, keepdim=True)
        kept = torch.where(self.last[..., None] < 0, scores.gather(-1, repeated), again)
        scores = scores.scatter(-1, repeated, kept.clamp(min=NEVER))
        scores[..., 0] = NEVER
        return scores

    def keep(self, kept: Tensor) -> "PrefixScores":
        """Return only the utterances `kept` (B')."""
        return PrefixScores(*(each[kept] for each in (self.log_probs, self.lengths, self.unit, self.blank, self.last)))

    def choose(self, parents: Tensor, units: Tensor) -> "PrefixScores":
        """Return the hypotheses `parents` (B, K'), each extended by one of `units` (B, K')."""
        rows = parents[..., None].expand(-1, -1, self.unit.shape[-1])
        unit, blank = self.unit.gather(1, rows), self.blank.gather(1, rows)
        same = (self.last.gather(1, parents) == units)[..., None]
        begun = torch.where(same, blank, torch.logaddexp(unit, blank))[
            ..., :-1
        ]  # before the frame that begins the unit
        own = self.log_probs.transpose(1, 2).gather(1, units[..., None].expand(-1, -1, begun.shape[-1]))
        unit = _recur(own, begun)
        blank = _recur(self.log_probs[:, None, :, 0].expand_as(own), unit[..., :-1])
        return PrefixScores(self.log_probs, self.lengths, unit, blank, units)


def log_probability_of_units(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Return (B, T + 1): an upper bound of the log-probability that CTC's text has N units, for N = 0 ... T.

    A text of N units needs at least N frames that are not blank. This is the probability of so many frames: the tail of a sum of
    independent trials. It falls with N, and is NEVER for more units than frames.
    """
    log_probs = log_probs.double()
    inside = torch.arange(log_probs.shape[1], device=log_probs.device) < lengths[:, None]  # (B, T)
    blank = log_probs[..., 0].masked_fill(~inside, 0.0)
    spoken = log_probs[..., 1:].logsumexp(-1).masked_fill(~inside, NEVER)
    exactly = torch.full((len(blank), blank.shape[1] + 1), NEVER, dtype=blank.dtype, device=blank.device)
    exactly[:, 0] = 0.0
    for frame in range(blank.shape[1]):
        one_less = torch.nn.functional.pad(exactly[:, :-1], (1, 0), value=NEVER)
        exactly = torch.logaddexp(exactly + blank[:, frame, None], one_less + spoken[:, frame, None])
    return exactly.flip(1).logcumsumexp(1).flip(1).clamp(min=NEVER)


def _recur(own: Tensor, new: Tensor) -> Tensor:
    """Return log x[0 ... T] for x[0] = 0, x[t] = exp(own[t]) * (x[t-1] + exp(new[t])); own, new (..., T), of frames 1 ... T."""
    sums = own.cumsum(-1)
    found = sums + (new - (sums - own)).logcumsumexp(-1)
    return torch.cat([torch.full_like(found[..., :1], NEVER), found.clamp(min=NEVER)], dim=-1)


def _log_product(log_left: Tensor, right: Tensor) -> Tensor:
    """log(exp(log_left) @ right): (B, K, T), (B, T, V) -> (B, K, V)."""
    most = log_left.amax(-1, keepdim=True)
    return (((log_left - most).exp() @ right).log() + most).clamp(min=NEVER)
