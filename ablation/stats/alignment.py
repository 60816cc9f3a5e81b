"""Alignments of hypotheses with their references. Both are normalised before (`common.normalise`).

An alignment is a string with one letter per operation, as in NIST's sclite: `C` correct, `S` substituted, `D` deleted,
`I` inserted.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from common.normalise import graphemes

if TYPE_CHECKING:
    import jiwer

Aligner = Callable[[Sequence[str], Sequence[str]], list[str]]

LETTERS = {"equal": "C", "substitute": "S", "delete": "D", "insert": "I"}
_FIRST_SYMBOL, _LAST_SYMBOL = 0xF0000, 0x10FFFF  # private use: no character has a meaning there


def align_words(references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    """Align the words of each utterance with the fewest errors. Raises ValueError for lists of different lengths."""
    import jiwer

    return _align(jiwer.process_words, references, hypotheses)


def align_characters(references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    """Align the grapheme clusters of each utterance, spaces included. Raises ValueError for lists of different lengths."""
    import jiwer

    symbols: dict[str, str] = {}
    texts = [[_as_symbols(text, symbols) for text in side] for side in (references, hypotheses)]
    return _align(jiwer.process_characters, *texts)


def _as_symbols(text: str, symbols: dict[str, str]) -> str:
    """Return a text with one character for each grapheme cluster. `symbols` gets the characters that stand for long clusters."""
    return "".join(
        cluster
        if len(cluster) == 1 and ord(cluster) < _FIRST_SYMBOL
        else symbols.setdefault(cluster, chr(min(_FIRST_SYMBOL + len(symbols), _LAST_SYMBOL)))
        for cluster in graphemes(text)
    )


def _align(process: Callable[..., Any], references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    if len(references) != len(hypotheses):
        raise ValueError(f"every reference needs one hypothesis, got {len(references)} and {len(hypotheses)}")
    if not references:
        return []
    aligned = process(list(references), list(hypotheses))
    return ["".join(map(_letters, chunks)) for chunks in aligned.alignments]


def _letters(chunk: "jiwer.AlignmentChunk") -> str:
    length = max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
    return LETTERS[chunk.type] * length
