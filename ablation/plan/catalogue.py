"""The interface of a model's catalogue: its parts, their kinds, and the settings that result from overrides.

Functions of `ablation` get the catalogue as an argument, so that plans and arms can be read and tested without any model.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Number(Protocol):
    """The limits of a setting that is a number."""

    @property
    def whole(self) -> bool: ...
    @property
    def least(self) -> float: ...
    @property
    def most(self) -> float: ...


class Kind(Protocol):
    """One way to fill a part.

    `arm` is the name that a Markdown plan's arm gets when it uses this kind. `lacks` names what a model of this kind lacks in a
    sentence, such as "the adapter"; it is empty for most kinds. `numbers` are its settings that are numbers. A kind of a composite
    part also has `sets` (`common.composite`).
    """

    @property
    def description(self) -> str: ...
    @property
    def phrases(self) -> tuple[str, ...]: ...
    @property
    def arm(self) -> str: ...
    @property
    def lacks(self) -> str: ...
    @property
    def numbers(self) -> Mapping[str, Number]: ...


class Part(Protocol):
    """A part of the model or of its training that can be replaced. `phrases` are its names in Markdown plans."""

    @property
    def description(self) -> str: ...
    @property
    def phrases(self) -> tuple[str, ...]: ...
    @property
    def kinds(self) -> Mapping[str, Kind]: ...


class Catalogue(Protocol):
    """All parts by dotted name, and the validation of overrides."""

    @property
    def parts(self) -> Mapping[str, Part]: ...
    @property
    def settings(self) -> Sequence[str]:
        """Dotted names of all settings outside parts, such as `training.steps`."""
        ...

    def resolve(self, preset: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
        """Apply layers of overrides (part -> spec, or dotted setting -> value) to a preset, in order.

        Returns the full settings as plain JSON types, equal for equal models; their key `parts` holds the specs of the parts, each
        with its `kind`. A part that is left out has its first kind. No override is one of a composite part. Raises UserError for
        anything unknown, of a wrong type or out of range.
        """
        ...
