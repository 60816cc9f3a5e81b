"""The units that the recogniser writes: whole words or characters; the CTC blank is always number 0."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from ablation.errors import UserError
from corpora.schema import Utterance

BLANK = 0


@dataclass(frozen=True)
class Units:
    """`symbols[0]` is the blank. Word units know only the words that they were made from."""

    kind: Literal["word", "character"]
    symbols: tuple[str, ...]

    @classmethod
    def from_texts(cls, kind: Literal["word", "character"], texts: Iterable[str]) -> Self:
        """The units that occur in `texts`, sorted, after the blank."""
        found = {symbol for text in texts for symbol in _split(kind, text)}
        return cls(kind, ("<blank>", *sorted(found)))

    def encode(self, text: str) -> list[int]:
        """Numbers of the units of `text`; raises KeyError for a unit that was not in the training texts."""
        numbers = {symbol: number for number, symbol in enumerate(self.symbols)}
        return [numbers[symbol] for symbol in _split(self.kind, text)]

    def decode(self, numbers: Iterable[int]) -> str:
        """Text of CTC output without blanks and repeats."""
        symbols = [self.symbols[number] for number in numbers]
        return " ".join(symbols) if self.kind == "word" else " ".join("".join(symbols).split())


def _split(kind: str, text: str) -> Sequence[str]:
    return text.split() if kind == "word" else list(text)


def check_frames(utterances: Sequence[Utterance], units: Units) -> None:
    """CTC needs a frame per unit and one more between equal neighbours; an utterance that is shorter teaches nothing.

    Raises UserError if more than a hundredth of them are.
    """
    short = [u.id for u in utterances if u.frames < _frames_needed(units.encode(u.text))]
    if len(short) > len(utterances) // 100:
        raise UserError(
            f"CTC needs at least one frame per {units.kind}: {len(short)} of {len(utterances)} "
            f"training utterances are shorter (e.g. {short[0]}); use decoder.units: word, or slower speech"
        )


def _frames_needed(numbers: Sequence[int]) -> int:
    return len(numbers) + sum(a == b for a, b in itertools.pairwise(numbers))
