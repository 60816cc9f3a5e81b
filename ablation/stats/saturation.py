"""Error rates at which a study cannot tell anything: a model that recognises nothing is no better or worse than another such model.

Around 100 % the spread between seeds is tiny or zero, so a test would find that smallest differences are significant, or that arms
are equivalent. Both would be statements about silence.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SATURATED = 0.95  # error rate from which on a model recognises next to nothing
TESTS = ["diff_low", "diff_high", "p", "p_equivalent", "detectable", "effect", "effect_low", "effect_high"]


def saturated(table: "pd.DataFrame", baseline: str) -> "pd.Series":
    """Return True for each row (arm, condition, wer) in which both the arm and the baseline recognise next to nothing."""
    own = table["wer"] >= SATURATED
    at = table.loc[own & (table["arm"] == baseline), "condition"]
    return own & table["condition"].isin(set(at))


def without_tests(table: "pd.DataFrame", baseline: str) -> "pd.DataFrame":
    """Return the table of comparisons with no tests in its saturated rows."""
    found = table.copy()
    found.loc[saturated(table, baseline), TESTS] = float("nan")
    return found
