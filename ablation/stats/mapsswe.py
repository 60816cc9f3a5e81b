"""The matched-pairs test of two systems on the same references: MAPSSWE, as in NIST's `sc_stats -t mapsswe`.

An utterance is cut where both systems have two words right in a row. Errors on the two sides of a cut are assumed to be
independent. For each segment the errors of the two systems are subtracted, and the mean of the differences is compared with its
standard error (Gillick and Cox, ICASSP 1989). The test says whether *these two checkpoints* differ on speech like this, and nothing
about other seeds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

GOOD_WORDS = 2  # in a row, by both systems, end a segment
CORRECT, INSERTED = ord("C"), ord("I")


@dataclass(frozen=True)
class MatchedPairs:
    """`z` is positive if the first system makes more errors; `p` is two-sided. Both are NaN if all segments differ equally."""

    segments: int
    mean: float
    z: float
    p: float


@dataclass(frozen=True)
class Slots:
    """The errors of one system by position in the reference: position i is before word i of the whole text.

    Every utterance has one position more than words, for insertions at its end. `inserted` and `wrong` (0 or 1) count errors
    before the word and at it; `utterance` is the number of the utterance. All have shape (positions,).
    """

    inserted: np.ndarray
    wrong: np.ndarray
    utterance: np.ndarray


def slots(alignments: Sequence[str]) -> Slots:
    """Return the errors by position, from one alignment (`ablation.stats.alignment`) per utterance."""
    letters = np.frombuffer("".join(alignments).encode("ascii"), np.uint8)
    lengths = np.fromiter(map(len, alignments), int, len(alignments))
    utterance = np.repeat(np.arange(len(alignments)), lengths)
    is_word = letters != INSERTED
    position = np.cumsum(is_word) - is_word + utterance  # words before it, and one end for every utterance before it
    words = np.bincount(utterance[is_word], minlength=len(alignments))
    size = len(alignments) + int(words.sum())
    return Slots(
        np.bincount(position[~is_word], minlength=size),
        np.bincount(position[is_word & (letters != CORRECT)], minlength=size),
        np.repeat(np.arange(len(alignments)), words + 1),
    )


def matched_pairs(first: Slots, second: Slots) -> MatchedPairs:
    """Test two systems on the same utterances in the same order. Raises ValueError if their references differ."""
    if not np.array_equal(first.utterance, second.utterance):
        raise ValueError(
            "matched pairs need the same utterances in the same order, but the references differ in length"
        )
    difference = _segment_errors(first, second)
    n = len(difference)
    if not n or not difference.any():
        return MatchedPairs(n, 0.0, 0.0, 1.0)
    mean = float(difference.mean())
    error = float(difference.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
    z = mean / error if error else math.nan
    return MatchedPairs(n, mean, z, 2 * float(ndtr(-abs(z))))


def _segment_errors(first: Slots, second: Slots) -> np.ndarray:
    """Errors of the first system minus those of the second, per segment.

    An error starts a segment if it is the first of its utterance or follows `GOOD_WORDS` right words.
    """
    before = np.flatnonzero(first.inserted + second.inserted)
    at = np.flatnonzero(first.wrong | second.wrong)
    place = np.concatenate([before, at])
    after = np.concatenate([before, at + 1])  # the first position that may be right again
    difference = np.concatenate([(first.inserted - second.inserted)[before], (first.wrong - second.wrong)[at]])
    order = np.lexsort((after - place, place))
    place, after, difference = place[order], after[order], difference[order]
    utterance = first.utterance[place]
    starts = np.ones(len(place), bool)
    starts[1:] = (utterance[1:] != utterance[:-1]) | (place[1:] - after[:-1] >= GOOD_WORDS)
    return np.bincount(np.cumsum(starts) - 1, difference, minlength=int(starts.sum()))
