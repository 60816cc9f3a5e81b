"""From per-frame log-probabilities to text."""

from torch import Tensor

from training.units import BLANK, Units


def greedy(log_probs: Tensor, lengths: list[int], units: Units) -> list[str]:
    """CTC best path: (B, T, V) -> B texts; repeats are merged, then blanks dropped (Graves et al. 2006, section 3.2)."""
    best = log_probs.argmax(-1).tolist()
    texts = []
    for path, frames in zip(best, lengths, strict=True):
        before = [BLANK, *path[: frames - 1]]
        texts.append(
            units.decode(unit for unit, last in zip(path[:frames], before, strict=True) if unit not in (last, BLANK))
        )
    return texts
