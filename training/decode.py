"""Greedy decoding: from log-probabilities per frame to text."""

from torch import Tensor

from training.tokenizer import BLANK, Tokenizer


def greedy(log_probs: Tensor, lengths: list[int], tokenizer: Tokenizer) -> list[str]:
    """CTC best path: (B, T, V) -> B texts. Repeats are merged, then blanks are dropped (Graves et al. 2006, section 3.2)."""
    best = log_probs.argmax(-1).tolist()
    texts = []
    for path, frames in zip(best, lengths, strict=True):
        before = [BLANK, *path[: frames - 1]]
        units = (unit for unit, last in zip(path[:frames], before, strict=True) if unit not in (last, BLANK))
        texts.append(tokenizer.decode(units))
    return texts
