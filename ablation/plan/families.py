"""The contrasts of a plan with a `ladder` or a `factorial`, and the check that its arms can tell them apart."""

from collections.abc import Sequence

from ablation.plan.arms import Arm
from ablation.plan.catalogue import Catalogue
from ablation.plan.contrasts import FACTORIAL, LADDER, Contrast, Level, factorial_contrasts, ladder_contrasts
from ablation.plan.naming import NamedChange
from ablation.plan.plan import BASELINE, Plan
from ablation.plan.shorthands import Swap, cells, ladder, replacements_of
from common.errors import UserError


def contrasts(plan: Plan, arms: Sequence[Arm], catalogue: Catalogue) -> list[Contrast]:
    """Return the contrasts of the ladder, then those of the factorial. `arms` are those of the plan."""
    found: list[Contrast] = []
    named = {arm.arm: {change.part: change for change in arm.changes} for arm in arms}
    if plan.ladder:
        rungs = [*(change.arm for change in ladder(plan.ladder, catalogue)), BASELINE]
        left_out = [named[rungs[0]][swap.part] for swap in plan.ladder]
        found += ladder_contrasts(rungs, left_out)
    if plan.factorial:
        cell_arms = {
            numbers: change.arm if change else BASELINE for numbers, change in cells(plan.factorial, catalogue)
        }
        levels = [_levels(swap, named, catalogue) for swap in plan.factorial]
        found += factorial_contrasts(cell_arms, levels, plan.interaction_order)
    return found


def _levels(swap: Swap, named: dict[str, dict[str, NamedChange]], catalogue: Catalogue) -> list[Level]:
    return [Level(name, named[name][swap.part]) for name, _ in replacements_of("factorial", swap, catalogue)]


def check_distinct(plan: Plan, found: Sequence[Contrast], same: Sequence[Sequence[str]]) -> None:
    """Raise UserError if arms of one contrast compute the same function, so that the contrast asks nothing.

    `same` has groups of such arms, as a recipe finds them before training.
    """
    for group in same:
        for contrast in found:
            twins = [arm for arm in group if arm in contrast.weights]
            if len(twins) > 1:
                raise UserError(_coincide(plan, contrast, twins))


def _coincide(plan: Plan, contrast: Contrast, twins: Sequence[str]) -> str:
    pair = " and ".join(map(repr, twins[:2]))
    if contrast.family == LADDER:
        others = [swap.part for swap in plan.ladder if swap.part != contrast.name]
        return (
            f"a rung of a `ladder` has to change the model, but {pair} compute the same function, so adding "
            f"{contrast.name!r} at this place does nothing; put it behind the part that it needs, or write "
            f"`ladder: [{', '.join(others)}]`"
        )
    parts = [change.part for change in contrast.changes] if len(contrast.changes) > 1 else []
    parts = parts or [swap.part for swap in plan.factorial]
    return (
        f"the cells of a `{FACTORIAL}` have to differ, but {pair} compute the same function, as one part does nothing without "
        f"the other, so their interaction cannot be told from their effects; write `ladder: [{', '.join(parts)}]`, which asks "
        "what each adds to those before it, or give a part another replacement than none"
    )
