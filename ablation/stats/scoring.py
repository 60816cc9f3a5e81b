"""Error counts per utterance, and error rates of sets of utterances. Rates are never averaged: counts are added, then divided.

The word error rate (WER) of a set of utterances is its errors over its reference words, a fraction that may exceed 1. Other
metrics (`ablation.stats.metrics`) are computed in the same way. An utterance with an empty reference has no rate of its own, but
the words recognised in it count as insertions when it is pooled with others.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

import pandas as pd

from ablation.stats.metrics import METRICS, WER, Metric, metric_of
from common.conditions import CLEAN
from common.normalise import normalise

COUNTS = WER.columns
Normaliser = Callable[[str], str]


@dataclass(frozen=True)
class Counts:
    """Errors of some utterances and the length of their references. Counts add; the rate is computed from the sum."""

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
        """Errors over the length of the reference, as a fraction. Raises ValueError for an empty reference."""
        if not self.reference:
            raise ValueError(f"an error rate needs a reference that is not empty, got {self}; pool it with others")
        return self.errors / self.reference


def score(
    references: Sequence[str], hypotheses: Sequence[str], metric: str = "wer", *, normaliser: Normaliser = normalise
) -> list[Counts]:
    """Return the errors of each utterance by a metric. Raises ValueError for lists of different lengths."""
    sides = [[normaliser(text) for text in side] for side in (references, hypotheses)]
    align = METRICS[metric].align
    assert align is not None  # of all METRICS
    return [count(letters) for letters in align(*sides)]


def count(letters: str) -> Counts:
    """Return the counts of an alignment (see `ablation.stats.alignment`)."""
    inserted = letters.count("I")
    return Counts(letters.count("S"), letters.count("D"), inserted, len(letters) - inserted)


def score_transcripts(transcripts: pd.DataFrame, normaliser: Normaliser = normalise) -> pd.DataFrame:
    """Add the counts of all metrics, and the alignments to be stored, to a table with `reference` and `hypothesis`.

    One row per utterance, before and after. `normaliser` gives both texts the form in which they are compared.
    """
    references, hypotheses = ([normaliser(text) for text in transcripts[name]] for name in ("reference", "hypothesis"))
    added = pd.DataFrame(index=transcripts.index)
    for metric in METRICS.values():
        assert metric.align is not None  # of all METRICS
        alignments = metric.align(references, hypotheses)
        counts = [astuple(count(letters)) for letters in alignments]
        added = added.join(pd.DataFrame(counts, columns=metric.columns, index=transcripts.index, dtype="int64"))
        if metric.alignment:
            added[metric.alignment] = alignments
    return transcripts.drop(columns=list(added), errors="ignore").join(added)


def pool(counts: pd.DataFrame, by: Sequence[str], metric: str | Metric = "wer") -> pd.DataFrame:
    """Sum a metric's counts over all rows that agree in the columns `by`, and add each sum's rate as `Metric.column`.

    Groups stay in their order of appearance. Raises ValueError for a group whose references are all empty.
    """
    chosen = metric_of(metric)
    length = chosen.length
    pooled = counts.groupby(list(by), sort=False, as_index=False, observed=True)[chosen.columns].sum()
    if empty := pooled.loc[pooled[length] == 0, list(by)].to_dict("records"):
        raise ValueError(f"an error rate needs a reference that is not empty, but all are in {empty[0]}")
    return pooled.assign(**{chosen.column: pooled[[*chosen.errors]].sum(axis=1) / pooled[length]})


def trial_metrics(counts: pd.DataFrame, metrics: Sequence[str] = ("wer",)) -> dict[str, float]:
    """Return the pooled rates of one trial, for each of `metrics`.

    Keys are `wer/<condition>` for each condition, `wer/noisy` for all noisy conditions and `wer/overall` for all conditions.
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
    return Counts(*(int(value) for value in counts[METRICS[metric].columns].sum()))
