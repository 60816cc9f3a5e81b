"""What `ablation` needs to know of a model: its parts, their kinds, and the settings that overrides come to.

The model hands its catalogue in, so that plans and arms can be read and tested without any model.
"""

from collections.abc import Mapping
from typing import Any, Protocol


class Kind(Protocol):
    """One way to fill a part. `arm` is the name that a Markdown plan's arm gets when it swaps this kind in."""

    @property
    def description(self) -> str: ...
    @property
    def phrases(self) -> tuple[str, ...]: ...
    @property
    def arm(self) -> str: ...


class Part(Protocol):
    """A swappable place of the model or of its recipe. `phrases` are the words by which people name it."""

    @property
    def description(self) -> str: ...
    @property
    def phrases(self) -> tuple[str, ...]: ...
    @property
    def kinds(self) -> Mapping[str, Kind]: ...


class Catalogue(Protocol):
    """All parts by dotted name, and the check of every override."""

    @property
    def parts(self) -> Mapping[str, Part]: ...

    def resolve(self, preset: str, *layers: Mapping[str, Any]) -> dict[str, Any]:
        """Lay overrides (part -> spec, or dotted setting -> value) over a preset, one layer over the other.

        Returns the full settings as plain JSON types, equal for equal models. Raises UserError for anything unknown,
        of a wrong type or out of range.
        """
        ...
