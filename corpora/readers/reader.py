"""The description of a reader of corpora, and the functions that its module has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from corpora.schema import Clip, Rejected

Query = Mapping[str, str]


class ReaderModule(Protocol):
    """The functions that a reader's module has. `place` is the URI between `://` and `?`, `query` its options."""

    def clips(self, place: str, query: Query, workers: int, /) -> "Iterator[Clip | Rejected]":
        """Yield every clip, or the reason why it is left out, with up to `workers` processes.

        The clips, their order and their bytes do not depend on `workers`. Raises UserError, before the work where possible.
        """

    def count(self, place: str, query: Query, /) -> int:
        """Return the number of items that `clips` yields. Raises UserError for a bad place or a bad option."""

    def stamp(self, place: str, /) -> str:
        """Return a text that changes when the files at the place change; "" for a corpus without files."""


@dataclass(frozen=True)
class Reader:
    """A reader of one URI scheme. Its module is imported at the first call, so that help texts need no NumPy.

    `example` is a URI as help texts show it. `generated` says that the corpus needs no files, so that every machine can check
    its URI. `needs_mouth` says that the clips are real video, from which the environment of `make mouth` cuts the mouths. `video`
    is False for clips without pictures.
    """

    example: str
    description: str
    module: str
    generated: bool = False
    needs_mouth: bool = False
    video: bool = True

    @property
    def scheme(self) -> str:
        """The part of the URI before `://`."""
        return self.example.partition("://")[0]

    def clips(self, place: str, query: Query, workers: int) -> "Iterator[Clip | Rejected]":
        """See `ReaderModule.clips`."""
        return self._functions.clips(place, query, workers)

    def count(self, place: str, query: Query) -> int:
        """See `ReaderModule.count`."""
        return self._functions.count(place, query)

    def stamp(self, place: str) -> str:
        """See `ReaderModule.stamp`."""
        return self._functions.stamp(place)

    @property
    def _functions(self) -> ReaderModule:
        module: ReaderModule = resolve_name(self.module)
        return module
