"""Word errors: counted per utterance, pooled by adding. There is no mean of rates in here, on purpose.

The word error rate (WER) of a set of utterances is its errors over its reference words, a fraction that may exceed 1.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import jiwer
import pandas as pd

COUNTS = ["substitutions", "deletions", "insertions", "reference_words"]
CLEAN = "clean"


@dataclass(frozen=True)
class Counts:
    """Word errors of some utterances. They add; a rate comes out only at the end."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    reference_words: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def wer(self) -> float:
        """Errors over reference words, as a fraction. Raises ValueError where nothing was to be said."""
        if not self.reference_words:
            raise ValueError(f"WER needs at least one reference word, got {self}; leave out utterances without text")
        return self.errors / self.reference_words


def normalise(text: str) -> str:
    """The form in which texts are compared: NFKC, lower case, letters, digits and inner apostrophes, single spaces."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    words = re.sub(r"[^\w']|_", " ", plain).split()
    return " ".join(filter(None, (word.strip("'") for word in words)))


def score(references: Sequence[str], hypotheses: Sequence[str]) -> list[Counts]:
    """Counts of each utterance, aligned word by word with the fewest errors, after `normalise`.

    Raises ValueError when the two differ in length.
    """
    if len(references) != len(hypotheses):
        raise ValueError(f"every reference needs one hypothesis, got {len(references)} and {len(hypotheses)}")
    if not references:
        return []
    aligned = jiwer.process_words([normalise(text) for text in references], [normalise(text) for text in hypotheses])
    return [_count(*pair) for pair in zip(aligned.references, aligned.alignments, strict=True)]


def _count(reference: list[str], chunks: Iterable[jiwer.AlignmentChunk]) -> Counts:
    words = {"substitute": 0, "delete": 0, "insert": 0, "equal": 0}
    for chunk in chunks:
        words[chunk.type] += max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
    return Counts(words["substitute"], words["delete"], words["insert"], len(reference))


def score_transcripts(transcripts: pd.DataFrame) -> pd.DataFrame:
    """Add the four columns of counts to a table with `reference` and `hypothesis`, one row per utterance."""
    counts = score(transcripts["reference"].tolist(), transcripts["hypothesis"].tolist())
    table = pd.DataFrame([astuple(count) for count in counts], columns=COUNTS, index=transcripts.index, dtype="int64")
    return transcripts.drop(columns=COUNTS, errors="ignore").join(table)


def pool(counts: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Sum the counts over all rows that agree in the columns `by`, and give each sum its `wer`.

    Groups stay in their order of appearance. Raises ValueError for a group without a reference word.
    """
    pooled = counts.groupby(list(by), sort=False, as_index=False)[COUNTS].sum()
    if empty := pooled.loc[pooled["reference_words"] == 0, list(by)].to_dict("records"):
        raise ValueError(f"WER needs at least one reference word, but there is none in {empty[0]}")
    errors = pooled["substitutions"] + pooled["deletions"] + pooled["insertions"]
    return pooled.assign(wer=errors / pooled["reference_words"])


def trial_metrics(counts: pd.DataFrame) -> dict[str, float]:
    """Pooled WER of one trial: `wer/<condition>` for each, `wer/noisy` over the noisy ones, `wer/overall` over all."""
    by_condition = pool(counts, ["condition"])
    metrics = {f"wer/{name}": wer for name, wer in zip(by_condition["condition"], by_condition["wer"], strict=True)}
    noisy = counts[counts["condition"] != CLEAN]
    if len(noisy):
        metrics["wer/noisy"] = _total(noisy).wer
    return {**metrics, "wer/overall": _total(counts).wer}


def _total(counts: pd.DataFrame) -> Counts:
    return Counts(*(int(value) for value in counts[COUNTS].sum()))
