"""Base classes of the settings of parts and their kinds. Imports no torch.

A part is a swappable place of the model. Each part has one base class, which names the part in `part`. Each kind of the part is a
subclass with the field `kind`. The list of kinds is never written down: it is the list of these subclasses, in the order of
their definition.

`phrases` are the words by which people name a kind in a Markdown plan; `arm` is the name that an arm gets when it swaps
the kind in and its plan gives none. `lacks` names what a model of this kind lacks, as a sentence names it ("the adapter").
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from math import inf
from operator import or_
from typing import Annotated, Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.fields import FieldInfo


def later(default: Any, **field: Any) -> Any:
    """Return a field that earlier versions did not have. Settings leave it out where it has its default.

    So the settings of a trial, and with them its fingerprint, stay those that earlier versions stored.
    """
    return Field(default, exclude_if=lambda value: value == default, **field)


class Strict(BaseModel):
    """Settings that reject unknown keys, convert nothing from text, and never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class PartText:
    """The description of a part, and the phrases by which people name it in a Markdown plan."""

    description: str
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """The limits of a setting that is a number."""

    whole: bool
    least: float = -inf
    most: float = inf


def kinds_of(base: "type[Kind]") -> "Mapping[str, type[Kind]]":
    """Return the kinds of a part by name, in the order of their definition; `base` is the base class of the part."""
    return {kind.model_fields["kind"].default: kind for kind in _kinds_below(base)}


def _kinds_below(base: "type[Kind]") -> "Iterator[type[Kind]]":
    for below in base.__subclasses__():
        if "kind" in below.model_fields:
            yield below
        yield from _kinds_below(below)


class Kind(Strict):
    """Settings of one kind of a part.

    `phrases` are the words by which people name the kind in a Markdown plan. `arm` is the name of an arm that swaps the kind in,
    where the plan gives no name. `numbers` are its settings that are numbers, with their limits.
    """

    part: ClassVar[PartText]
    description: ClassVar[str] = ""
    phrases: ClassVar[tuple[str, ...]] = ()
    arm: ClassVar[str] = ""
    lacks: ClassVar[str] = ""
    numbers: ClassVar[Mapping[str, Number]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Take the limits of the numbers from the types and bounds of the fields."""
        found = {name: _number(field) for name, field in cls.model_fields.items()}
        cls.numbers = {name: number for name, number in found.items() if number}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Validate a field whose type is a part's base class as a union of the part's kinds, distinguished by `kind`."""
        kinds = kinds_of(cls).values()
        if "kind" in cls.model_fields or not kinds:  # a kind itself, or a base class whose kinds are not defined yet
            return handler(source)
        union = reduce(or_, kinds)
        return handler.generate_schema(Annotated[union, Field(discriminator="kind")])


def _number(field: FieldInfo) -> Number | None:
    """Return the limits of a field that is a number, or a number or null."""
    types = {*get_args(field.annotation), field.annotation}
    if not types & {int, float}:
        return None
    limits = {name: getattr(rule, name) for rule in field.metadata for name in ("ge", "le") if hasattr(rule, name)}
    return Number(float not in types, limits.get("ge", -inf), limits.get("le", inf))
