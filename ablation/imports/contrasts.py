"""Contrasts of a table's arms, named by a person: the order of a ladder, or the levels of a factorial."""

import itertools
from collections.abc import Mapping, Sequence

import pandas as pd

from ablation.plan.contrasts import Contrast, Level, factorial_contrasts, ladder_contrasts
from ablation.plan.naming import NamedChange
from ablation.stats.contrasts import compare_contrasts
from common.errors import UserError
from common.hints import did_you_mean


def compare_named(
    counts: pd.DataFrame,
    baseline: str,
    ladder: Sequence[str],
    factorial: Mapping[str, Mapping[str, str]],
    order: int,
    margin_points: float | None,
    metric: str,
) -> pd.DataFrame:
    """Test the contrasts that a person names on the counts of a table. Raises UserError."""
    contrasts = named_contrasts([*dict.fromkeys(counts["arm"])], baseline, ladder, factorial, order)
    return compare_contrasts(counts, contrasts, margin_points=margin_points, metric=metric)


def named_contrasts(
    arms: Sequence[str], baseline: str, ladder: Sequence[str], factorial: Mapping[str, Mapping[str, str]], order: int
) -> list[Contrast]:
    """Return the contrasts of the ladder, then those of the factorial. Raises UserError."""
    if isinstance(ladder, str) or len(ladder) == 1:
        raise UserError(
            f"a ladder takes two arms or more in their order, got {ladder!r}; write ['bare', ..., {baseline!r}]"
        )
    for arm in [*ladder, *factorial]:
        if arm not in arms:
            raise UserError(f"a contrast compares arms of the table, but {arm!r} is not one{did_you_mean(arm, arms)}")
    if len({*ladder}) < len(ladder):
        raise UserError(f"a ladder lists every arm once, got {', '.join(ladder)}")
    return [
        *(ladder_contrasts(ladder) if ladder else []),
        *(_factorial(baseline, factorial, order) if factorial else []),
    ]


def _factorial(baseline: str, factorial: Mapping[str, Mapping[str, str]], order: int) -> list[Contrast]:
    if baseline not in factorial:
        raise UserError(f"a factorial needs the levels of the baseline, but {baseline!r} is not among its arms")
    factors = list(factorial[baseline])
    for arm, levels in factorial.items():
        if list(levels) != factors:
            raise UserError(
                f"each arm of a factorial has a level of every factor in one order ({', '.join(factors)}), but {arm!r} has "
                f"{', '.join(levels) or 'none'}"
            )
    values = [
        list(dict.fromkeys([factorial[baseline][name], *(levels[name] for levels in factorial.values())]))
        for name in factors
    ]
    cells = {
        tuple(of.index(levels[name]) for name, of in zip(factors, values, strict=True)): arm
        for arm, levels in factorial.items()
    }
    wanted = set(itertools.product(*(range(len(of)) for of in values)))
    if missing := sorted(wanted - {*cells}):
        lacks = ", ".join(f"{name}={of[place]}" for name, of, place in zip(factors, values, missing[0], strict=True))
        raise UserError(
            f"a factorial needs an arm for each of its {len(wanted)} combinations, but {lacks} has none; compare the arms as a "
            "ladder, or leave a level out"
        )
    if len(cells) < len(factorial):
        raise UserError(
            "a factorial has one arm for each combination of levels, but two arms have the same one; leave one out"
        )
    replacements = [
        [Level(f"{name}={value}", NamedChange(name, value, of[0])) for value in of[1:]]
        for name, of in zip(factors, values, strict=True)
    ]
    return factorial_contrasts(cells, replacements, order)
