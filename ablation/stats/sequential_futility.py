"""Futility: an arm stops if a difference as large as the margin has become unlikely, though equivalence is not shown.

The rule looks at one arm by itself: in every condition, a one-sided test rejects, at `FUTILE_LEVEL`, that the difference is as
large as the margin. So a look stops an arm that does differ by the margin with at most this probability. There is no correction
for arms, conditions and looks, hence no verdict. The rule is non-binding: no level counts on it, so an arm may go on anyway.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablation.stats import tails

if TYPE_CHECKING:
    from ablation.stats.sequential_intervals import Error

FUTILE_LEVEL = 0.15  # by bench/looks.py: the least that saves a third of the trials of arms without a difference


def is_futile(errors: Sequence["Error"], margin_points: float | None) -> bool:
    """Return True if an arm with these errors, one for each condition, should stop. Always False without a margin."""
    if margin_points is None or not errors or not all(error.error for error in errors):
        return False
    nearest = [(margin_points / 100 - abs(error.difference)) / error.error for error in errors]
    return all(tails.t_sf(t, error.df) <= FUTILE_LEVEL for t, error in zip(nearest, errors, strict=True))
