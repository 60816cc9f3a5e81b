"""The second test of a difference whose arms may vary more than others: the stricter one of two tests counts."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ablation.stats import tails
from ablation.stats.dunnett import noncentrality
from ablation.stats.levels import ALPHA, POWER
from ablation.stats.spreads import Doubt


class Joint(Protocol):
    """The distribution of the largest |T| of a family, with any degrees of freedom."""

    @property
    def size(self) -> int:
        """The number of tests in the family."""
        ...

    def tail(self, t: float, df: float) -> float:
        """Return the probability that any |T| reaches t when nothing differs."""
        ...

    def critical(self, alpha: float, df: float) -> float:
        """Return the value that the largest |T| reaches with probability `alpha` when nothing differs."""
        ...


def careful(
    tests: Mapping[str, Any],
    doubt: Doubt,
    coefficients: np.ndarray,
    joint: Joint,
    conditions: int,
    margin: float | None,
) -> dict[str, Any]:
    """Combine tests with those by the spreads of a doubt; the stricter count, and `caution` says so.

    `coefficients` are those of the trials in the difference. Where the doubt does not decide, the tests stay, with a caution if
    only they find a difference.
    """
    errors = [found for each in doubt.spreads if (found := each.error(coefficients))[0]]
    if not doubt.decides:
        is_unsure = (
            tests["p"] <= ALPHA < max((joint.tail(tests["difference"] / error, df) for error, df in errors), default=0)
        )
        return dict(tests) | {"caution": doubt.caution if is_unsure else ""}
    stricter = dict(tests)
    for error, df in errors:
        stricter = _stricter(stricter, error, df, joint, conditions, margin)
    return stricter | {"caution": doubt.caution}


def _stricter(
    tests: Mapping[str, Any], error: float, df: float, joint: Joint, conditions: int, margin: float | None
) -> dict[str, Any]:
    """Combine tests with those by another standard error of the difference."""
    difference, reach = tests["difference"], joint.critical(ALPHA, df) * error
    found = {
        "diff_low": min(tests["diff_low"], difference - reach),
        "diff_high": max(tests["diff_high"], difference + reach),
        "p": max(tests["p"], joint.tail(difference / error, df)),
        "detectable": max(
            tests["detectable"], noncentrality(joint.critical(ALPHA / conditions, df), df, POWER) * error
        ),
    }
    if margin is not None:
        outside = float(tails.t_sf((margin - abs(difference)) / error, df))
        found["p_equivalent"] = max(tests["p_equivalent"], min(1.0, joint.size * outside))
    return dict(tests) | found
