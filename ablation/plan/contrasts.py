"""The comparisons that a plan's `ladder` and `factorial` stand for: weighted sums of arms, whose weights add to zero.

- ladder: each rung minus the rung before; negative if the part that is added helps.
- factorial, main effect: a replacement of a part minus the original, as the mean over all combinations of the other parts.
- factorial, interaction of two parts: the effect of the one replacement where the other one is made, minus its effect where the
  other is not made, as the mean over the combinations of further parts. Interactions of a higher order repeat this difference.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from ablation.plan.naming import NamedChange


class Effect(StrEnum):
    """The kind of a contrast."""

    RUNG = "rung"
    MAIN = "main_effect"
    INTERACTION = "interaction"


LADDER, FACTORIAL = "ladder", "factorial"


@dataclass(frozen=True)
class Contrast:
    """A weighted sum of arms. All contrasts of a `family` are tested together.

    `changes` names what changes, one entry per part: an interaction has two or more.
    """

    family: str
    name: str
    kind: Effect
    weights: dict[str, float]
    changes: list[NamedChange] = field(default_factory=list)


@dataclass(frozen=True)
class Level:
    """A replacement in a factorial: the name of its arm, and its change."""

    name: str
    change: NamedChange


def ladder_contrasts(rungs: Sequence[str], changes: Sequence[NamedChange] = ()) -> list[Contrast]:
    """Return a contrast for every rung after the first. `rungs` are arms; `changes` are what leaving out each part changes."""
    named = changes or [NamedChange(arm) for arm in rungs[1:]]
    return [
        Contrast(LADDER, change.part, Effect.RUNG, {rung: 1.0, before: -1.0}, [change])
        for before, rung, change in zip(rungs, rungs[1:], named, strict=False)
    ]


def factorial_contrasts(
    cells: Mapping[tuple[int, ...], str], levels: Sequence[Sequence[Level]], order: int = 2
) -> list[Contrast]:
    """Return the main effects, then interactions of up to `order` parts.

    `cells` maps the level of every part, 0 for the original, to an arm; `levels` has the replacements of every part.
    """
    found = []
    for size in range(1, min(order, len(levels)) + 1):
        for parts in itertools.combinations(range(len(levels)), size):
            for chosen in itertools.product(*(range(1, len(levels[part]) + 1) for part in parts)):
                picked = [levels[part][level - 1] for part, level in zip(parts, chosen, strict=True)]
                weights = dict(_weights(cells, dict(zip(parts, chosen, strict=True)), levels))
                kind = Effect.MAIN if size == 1 else Effect.INTERACTION
                name = " x ".join(level.name for level in picked)
                found.append(Contrast(FACTORIAL, name, kind, weights, [level.change for level in picked]))
    return found


def _weights(
    cells: Mapping[tuple[int, ...], str], chosen: Mapping[int, int], levels: Sequence[Sequence[Level]]
) -> Iterator[tuple[str, float]]:
    """Yield the arms of a contrast: the sign counts the parts of `chosen` that are original, other parts are averaged."""
    others = 1
    for part, replacements in enumerate(levels):
        others *= 1 if part in chosen else len(replacements) + 1
    for cell, arm in cells.items():
        if all(cell[part] in (0, level) for part, level in chosen.items()):
            originals = sum(cell[part] == 0 for part in chosen)
            yield arm, (-1.0) ** originals / others
