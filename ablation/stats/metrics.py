"""The metrics by name. Plans, scoring, tests and the report take their lists from `METRICS`.

To add a metric, add an entry here and, if no aligner of `alignment.py` fits, an aligner there. A metric of `METRICS` is a number of
errors over the length of the reference. An imported study may have one that was computed elsewhere (`ablation.stats.measures`):
a sum of values over their number.
"""

from dataclasses import dataclass

from ablation.stats.alignment import Aligner, align_characters, align_words

ALIGNMENT = "alignment"


@dataclass(frozen=True)
class Metric:
    """A ratio of two sums, and the columns of the counts that it is computed from.

    `name` is the metric in plans and in MLflow, `label` its full name in sentences. `errors` are the columns of substitutions,
    deletions and insertions, `length` is the column of the reference's length. `align` takes normalised texts and gives one
    alignment per utterance. It is stored in the column `alignment`, or not at all if that is None. A metric without `align` was
    computed elsewhere. Reports show `scale` times the value in `unit`, and differences in `points`.
    """

    name: str
    label: str
    errors: tuple[str, ...]
    length: str
    align: Aligner | None
    description: str
    alignment: str | None = None
    higher_is_better: bool = False
    scale: float = 100
    unit: str = "%"
    points: str = "points"

    @property
    def is_rate(self) -> bool:
        """True for an error rate: a fraction that is not negative, and better if it is lower."""
        return self.align is not None

    @property
    def short(self) -> str:
        """The abbreviation in tables: `WER`. A name from elsewhere is left as it is."""
        return self.name.upper() if self.is_rate else self.name

    @property
    def column(self) -> str:
        """The column that pooling adds. A name from elsewhere could be that of another column, e.g. `seed`."""
        return self.name if self.is_rate else "measured"

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


def metric_of(metric: str | Metric) -> Metric:
    """Return a metric by its name, or the metric itself."""
    return METRICS[metric] if isinstance(metric, str) else metric
