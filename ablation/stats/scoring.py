"""Errors in words and characters: counted per utterance, pooled by adding. There is no mean of rates in here, on purpose.

The word error rate (WER) of a set of utterances is its errors over its reference words, a fraction that may exceed 1;
the character error rate (CER) the same of characters, the spaces between words included. An utterance without reference
has no rate, but what was heard in it counts as insertions when it is pooled with others.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import jiwer
import pandas as pd

from common.conditions import CLEAN

COUNTS = ["substitutions", "deletions", "insertions", "reference_words"]
CHARACTER_COUNTS = ["character_substitutions", "character_deletions", "character_insertions", "reference_characters"]
METRICS: Mapping[str, Sequence[str]] = {
    "wer": COUNTS,
    "cer": CHARACTER_COUNTS,
}  # errors of three sorts, then the length
ALIGNMENT = "alignment"
LETTERS = {"equal": "C", "substitute": "S", "delete": "D", "insert": "I"}


@dataclass(frozen=True)
class Counts:
    """Errors of some utterances, in words or in characters. They add; a rate comes out only at the end."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors over the reference's length, as a fraction. Raises ValueError where nothing was to be said."""
        if not self.reference:
            raise ValueError(f"an error rate needs a reference that is not empty, got {self}; pool it with others")
        return self.errors / self.reference


def normalise(text: str) -> str:
    """The form in which texts are compared: NFKC, lower case, letters, digits and inner apostrophes, single spaces."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    words = re.sub(r"[^\w']|_", " ", plain).split()
    return " ".join(filter(None, (word.strip("'") for word in words)))


def align(references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    """Each utterance's words aligned with the fewest errors after `normalise`, a letter each as NIST's sclite has them.

    `C` correct, `S` substituted, `D` deleted, `I` inserted, in the order in which they were spoken. Raises ValueError
    when the two differ in length.
    """
    return _align(jiwer.process_words, references, hypotheses)


def score(references: Sequence[str], hypotheses: Sequence[str]) -> list[Counts]:
    """Word errors of each utterance. Raises ValueError when the two differ in length."""
    return [count(letters) for letters in align(references, hypotheses)]


def score_characters(references: Sequence[str], hypotheses: Sequence[str]) -> list[Counts]:
    """Character errors of each utterance, aligned for themselves. Raises ValueError when the two differ in length."""
    return [count(letters) for letters in _align(jiwer.process_characters, references, hypotheses)]


def count(letters: str) -> Counts:
    """The counts of an alignment that `align` wrote."""
    inserted = letters.count("I")
    return Counts(letters.count("S"), letters.count("D"), inserted, len(letters) - inserted)


def _align(process: Callable[..., Any], references: Sequence[str], hypotheses: Sequence[str]) -> list[str]:
    if len(references) != len(hypotheses):
        raise ValueError(f"every reference needs one hypothesis, got {len(references)} and {len(hypotheses)}")
    if not references:
        return []
    aligned = process([normalise(text) for text in references], [normalise(text) for text in hypotheses])
    return ["".join(map(_letters, chunks)) for chunks in aligned.alignments]


def _letters(chunk: jiwer.AlignmentChunk) -> str:
    length = max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
    return LETTERS[chunk.type] * length


def score_transcripts(transcripts: pd.DataFrame) -> pd.DataFrame:
    """Add the counts in words and characters and the words' alignment to a table with `reference` and `hypothesis`.

    One row per utterance, before and after.
    """
    texts = transcripts["reference"].tolist(), transcripts["hypothesis"].tolist()
    aligned = align(*texts)
    both = [
        (*astuple(count(letters)), *astuple(characters))
        for letters, characters in zip(aligned, score_characters(*texts), strict=True)
    ]
    columns = [*COUNTS, *CHARACTER_COUNTS]
    table = pd.DataFrame(both, columns=columns, index=transcripts.index, dtype="int64").assign(**{ALIGNMENT: aligned})
    return transcripts.drop(columns=list(table), errors="ignore").join(table)


def pool(counts: pd.DataFrame, by: Sequence[str], metric: str = "wer") -> pd.DataFrame:
    """Sum the metric's counts over all rows that agree in the columns `by`, and give each sum its rate, named `metric`.

    Groups stay in their order of appearance. Raises ValueError for a group without anything in its references.
    """
    columns = list(METRICS[metric])
    pooled = counts.groupby(list(by), sort=False, as_index=False, observed=True)[columns].sum()
    if empty := pooled.loc[pooled[columns[3]] == 0, list(by)].to_dict("records"):
        raise ValueError(f"an error rate needs a reference that is not empty, but all are in {empty[0]}")
    return pooled.assign(**{metric: pooled[columns[:3]].sum(axis=1) / pooled[columns[3]]})


def trial_metrics(counts: pd.DataFrame, metrics: Sequence[str] = ("wer",)) -> dict[str, float]:
    """Pooled rates of one trial: `wer/<condition>` for each, `wer/noisy` over the noisy ones, `wer/overall` over all.

    With `cer` among `metrics`, `cer/...` as well.
    """
    found: dict[str, float] = {}
    for metric in metrics:
        by_condition = pool(counts, ["condition"], metric)
        found |= {
            f"{metric}/{name}": rate for name, rate in zip(by_condition["condition"], by_condition[metric], strict=True)
        }
        noisy = counts[counts["condition"] != CLEAN]
        if len(noisy):
            found[f"{metric}/noisy"] = _total(noisy, metric).rate
        found[f"{metric}/overall"] = _total(counts, metric).rate
    return found


def _total(counts: pd.DataFrame, metric: str) -> Counts:
    return Counts(*(int(value) for value in counts[list(METRICS[metric])].sum()))
