"""The metrics by name. Plans, scoring, tests and the report take their lists from `METRICS`.

To add a metric, add an entry here and, if no aligner of `alignment.py` fits, an aligner there. A metric is a number of errors
over the length of the reference.
"""

from dataclasses import dataclass

from ablation.stats.alignment import Aligner, align_characters, align_words

ALIGNMENT = "alignment"


@dataclass(frozen=True)
class Metric:
    """An error rate, and the columns of the counts that it is computed from.

    `name` is the metric in plans and in MLflow, `label` its full name in sentences. `errors` are the columns of substitutions,
    deletions and insertions, `length` is the column of the reference's length. `align` takes normalised texts and gives one
    alignment per utterance. It is stored in the column `alignment`, or not at all if that is None.
    """

    name: str
    label: str
    errors: tuple[str, str, str]
    length: str
    align: Aligner
    description: str
    alignment: str | None = None

    @property
    def short(self) -> str:
        """The abbreviation in tables: `WER`."""
        return self.name.upper()

    @property
    def columns(self) -> list[str]:
        """The columns of errors, then that of the length."""
        return [*self.errors, self.length]


WER = Metric(
    name="wer",
    label="word error rate",
    errors=("substitutions", "deletions", "insertions"),
    length="reference_words",
    align=align_words,
    description="substitutions, deletions and insertions of words over the number of reference words",
    alignment=ALIGNMENT,
)
CER = Metric(
    name="cer",
    label="character error rate",
    errors=("character_substitutions", "character_deletions", "character_insertions"),
    length="reference_characters",
    align=align_characters,
    description="substitutions, deletions and insertions of characters over the number of reference characters; a character is a "
    "grapheme cluster of Unicode, a letter with its marks, and spaces count",
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in (WER, CER)}
