"""The verdicts on the contrasts of a ladder or a factorial, over all conditions. Numbers and enums only."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ablation.decisions.verdict import ConditionVerdict, Overall, condition_verdict, overall
from ablation.plan.contrasts import Contrast


@dataclass(frozen=True)
class ContrastVerdict:
    """The verdict on a contrast. `worse` means more errors: see `ablation.plan.contrasts` for the sign of each kind."""

    contrast: Contrast
    verdict: Overall
    conditions: Sequence[ConditionVerdict]


def judge_contrasts(contrasts: Sequence[Contrast], table: pd.DataFrame) -> list[ContrastVerdict]:
    """Return the verdict on every contrast. `table` is that of `stats.contrasts.compare_contrasts`; it may be empty."""
    rows = table.to_dict("records")
    found = []
    for contrast in contrasts:
        mine = [row for row in rows if (row["family"], row["contrast"]) == (contrast.family, contrast.name)]
        conditions = [condition_verdict({str(key): value for key, value in row.items()}) for row in mine]
        found.append(ContrastVerdict(contrast, overall({each.verdict for each in conditions}), conditions))
    return found
