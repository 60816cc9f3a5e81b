"""The composite parts of a recipe file: a part that stands for several, and whose kinds set all of them at once."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from common.composite import CompositeKind, CompositePart
from recipes.command.values import Strict


class NamedSets(Strict):
    """A kind of a composite part. `parts` maps every part that it stands for to a kind, or to a spec with `kind`."""

    parts: dict[str, str | dict[str, Any]] = Field(min_length=1)
    description: str = ""
    phrases: list[str] = Field(default_factory=list)
    arm: str = ""
    lacks: str = ""


class Composite(Strict):
    """A part that stands for several parts of the recipe. The first kind is the model's own; REMOVE takes the kind `none`."""

    kinds: dict[str, NamedSets] = Field(min_length=1)
    description: str = ""
    phrases: list[str] = Field(default_factory=list)


def composite_part(name: str, part: Composite) -> CompositePart:
    """Return a composite part as a catalogue lists it, with names where the file gives none."""
    phrase = part.phrases[0] if part.phrases else name.replace(".", " ").replace("_", " ").replace("-", " ")
    kinds = {each: _kind(name, phrase, each, kind) for each, kind in part.kinds.items()}
    return CompositePart(part.description, tuple(part.phrases) or (phrase,), kinds)


def _kind(part: str, phrase: str, name: str, kind: NamedSets) -> CompositeKind:
    removed, words = name == "none", name.replace("_", " ").replace("-", " ")
    phrases = tuple(kind.phrases) or ((f"no {phrase}", f"without {phrase}") if removed else (f"{words} {phrase}",))
    last = part.rpartition(".")[2].replace("_", "-").lower()
    arm = kind.arm or (f"no-{last}" if removed else f"{name.replace('_', '-').lower()}-{last}")
    sets: Mapping[str, Any] = {
        each: {"kind": spec} if isinstance(spec, str) else spec for each, spec in kind.parts.items()
    }
    return CompositeKind(kind.description, phrases, arm, sets, kind.lacks or (f"the {phrase}" if removed else ""))
