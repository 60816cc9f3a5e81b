"""The arms that get no more seeds, by the decisions on contrasts and on arms."""

from collections.abc import Mapping, Sequence

from ablation.plan.contrasts import Contrast
from ablation.stats.sequential_contrast_judge import key_of
from ablation.stats.sequential_judge import Judged


def cells_of(contrasts: Sequence[Contrast]) -> list[str]:
    """Return the arms whose seeds the contrasts decide on: each that any of them uses."""
    return list(dict.fromkeys(arm for each in contrasts for arm in each.weights))


def stopped_arms(
    arms: Judged,
    families: Judged,
    contrasts: Sequence[Contrast],
    others: Sequence[str],
    baseline: str = "baseline",
    *,
    futility: bool = True,
) -> dict[str, int]:
    """Return arm -> seeds of the arms that need no more, with the baseline if contrasts use it.

    An arm goes on while any question about it is open: a contrast that uses it, or, for an arm of `others`, its difference to the
    baseline. `others` are the arms that no contrast uses. With contrasts, the baseline goes on while another arm does. Without
    `futility`, only decisions stop.
    """
    of_arms, of_contrasts = (_stopped(each, futility) for each in (arms, families))
    found = {arm: of_arms[arm] for arm in others if arm in of_arms}
    for cell in cells_of(contrasts):
        asked = [of_contrasts.get(key_of(each)) for each in contrasts if cell in each.weights]
        if cell == baseline:
            asked += [of_arms.get(arm) for arm in others]
        known = [number for number in asked if number is not None]
        if len(known) == len(asked):
            found[cell] = max(known)
    return found


def _stopped(judged: Judged, futility: bool) -> Mapping[str, int]:
    return {**(judged.futile if futility else {}), **judged.decided}
