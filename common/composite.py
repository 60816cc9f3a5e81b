"""Composite parts for the catalogues of all recipes: a part that stands for several, and whose kinds set all of them at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class CompositeKind:
    """A kind of a composite part: implements `ablation.plan.catalogue.Kind`.

    `sets` maps every part that it stands for to a spec with `kind`. It has no settings of its own.
    """

    description: str
    phrases: tuple[str, ...]
    arm: str
    sets: Mapping[str, Mapping[str, Any]]
    lacks: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CompositePart:
    """A part that stands for several: implements `ablation.plan.catalogue.Part`. Its first kind is the model's own.

    Every kind sets the same parts. REMOVE takes the kind `none`.
    """

    description: str
    phrases: tuple[str, ...]
    kinds: Mapping[str, CompositeKind]
