"""Base classes of the settings of parts and their kinds. Imports no torch.

A part is a swappable place of the model. Each part has one base class, which names the part in `part`. Each kind of the part is a
subclass with the field `kind`. The list of kinds is never written down: it is the list of these subclasses, in the order of
their definition.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler


class Strict(BaseModel):
    """Settings that reject unknown keys, convert nothing from text, and never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class PartText:
    """The description of a part, and the phrases by which people name it in a Markdown plan."""

    description: str
    phrases: tuple[str, ...]


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
    where the plan gives no name.
    """

    part: ClassVar[PartText]
    description: ClassVar[str] = ""
    phrases: ClassVar[tuple[str, ...]] = ()
    arm: ClassVar[str] = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> Any:
        """Validate a field whose type is a part's base class as a union of the part's kinds, told apart by `kind`."""
        kinds = kinds_of(cls).values()
        if "kind" in cls.model_fields or not kinds:  # a kind itself, or a base class whose kinds are not defined yet
            return handler(source)
        union = reduce(or_, kinds)
        return handler.generate_schema(Annotated[union, Field(discriminator="kind")])
