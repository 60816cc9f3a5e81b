"""The units that the recogniser writes: words, characters, or pieces of words; the CTC blank is always number 0."""

import base64
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, Self

import sentencepiece

from common.errors import UserError
from corpora.schema import Utterance
from corpora.store import Corpus
from model.settings import DecoderSettings

BLANK = 0
UnitKind = Literal["word", "character", "sentencepiece"]


@dataclass(frozen=True)
class Units:
    """`symbols[0]` is the blank. Word units know only the words that they were made from.

    `model` is SentencePiece's, in base 64; its number 0 stands for characters that it does not know.
    """

    kind: UnitKind
    symbols: tuple[str, ...]
    model: str | None = None

    @classmethod
    def from_texts(cls, kind: UnitKind, texts: Iterable[str], pieces: int = 1000) -> Self:
        """The units that occur in `texts`, sorted, after the blank; of pieces, the likeliest ones, `pieces` at most."""
        if kind == "sentencepiece":
            model = _train_pieces(sorted(texts), pieces)
            processor = _processor(model)
            return cls(kind, ("<blank>", *(processor.id_to_piece(n) for n in range(1, len(processor)))), model)
        found = {symbol for text in texts for symbol in _split(kind, text)}
        return cls(kind, ("<blank>", *sorted(found)))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What `dataclasses.asdict` gave, after JSON."""
        return cls(value["kind"], tuple(value["symbols"]), value.get("model"))

    def encode(self, text: str) -> list[int]:
        """Numbers of the units of `text`; raises KeyError for a unit that was not in the training texts."""
        if self.model is not None:
            numbers = _processor(self.model).encode(text)
            if BLANK in numbers:
                raise KeyError(text)
            return list(numbers)
        known = {symbol: number for number, symbol in enumerate(self.symbols)}
        return [known[symbol] for symbol in _split(self.kind, text)]

    def decode(self, numbers: Iterable[int]) -> str:
        """Text of units without blanks and repeats."""
        if self.model is not None:
            return str(_processor(self.model).decode(list(numbers)))
        symbols = [self.symbols[number] for number in numbers]
        return " ".join(symbols) if self.kind == "word" else " ".join("".join(symbols).split())


def units_of(settings: DecoderSettings, data: Corpus) -> Units:
    """The units of a corpus's training texts."""
    texts = (utterance.text for utterance in data.utterances("train"))
    return Units.from_texts(settings.units, texts, settings.vocab_size)


def _split(kind: str, text: str) -> Sequence[str]:
    return text.split() if kind == "word" else list(text)


def _train_pieces(texts: Sequence[str], pieces: int) -> str:
    """A unigram model (Kudo 2018). One thread and sorted texts: the same pieces on every run."""
    characters = len({character for text in texts for character in text})
    if pieces <= characters + 1:
        raise UserError(f"decoder.vocab_size has to be larger than the {characters} characters by two, got {pieces}")
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        model_type="unigram",
        vocab_size=pieces,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        unk_id=BLANK,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return base64.b64encode(written.getvalue()).decode()


@lru_cache(maxsize=4)
def _processor(model: str) -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_proto=base64.b64decode(model))


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
