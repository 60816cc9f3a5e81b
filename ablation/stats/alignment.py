"""Alignments of hypotheses with their references, after one normalisation of both.

An alignment is a string with one letter per operation, as in NIST's sclite: `C` correct, `S` substituted, `D` deleted,
`I` inserted.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jiwer

Aligner = Callable[[Sequence[str], Sequence[str]], list[str]]

LETTERS = {"equal": "C", "substitute": "S", "delete": "D", "insert": "I"}


def normalise(text: str) -> str:
    """Return a text as it is compared: NFKC, lower case, letters, digits and inner apostrophes, single spaces."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    words = re.sub(r"[^\w']|_", " ", plain).split()
    return " ".join(filter(None, (word.strip("'") for word in words)))


def align_words(references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    """Align the words of each utterance with the fewest errors. Raises ValueError for lists of different lengths."""
    import jiwer

    return _align(jiwer.process_words, references, hypotheses)


def align_characters(references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    """Align the characters of each utterance, spaces included. Raises ValueError for lists of different lengths."""
    import jiwer

    return _align(jiwer.process_characters, references, hypotheses)


def _align(process: Callable[..., Any], references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    if len(references) != len(hypotheses):
        raise ValueError(f"every reference needs one hypothesis, got {len(references)} and {len(hypotheses)}")
    if not references:
        return []
    aligned = process([normalise(text) for text in references], [normalise(text) for text in hypotheses])
    return ["".join(map(_letters, chunks)) for chunks in aligned.alignments]


def _letters(chunk: "jiwer.AlignmentChunk") -> str:
    length = max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
    return LETTERS[chunk.type] * length
