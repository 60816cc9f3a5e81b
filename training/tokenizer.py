"""The tokenizer: text to output units (words, characters, or pieces of words) and back. The CTC blank is always number 0."""

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
from model import checkpoint_file
from model.av_hubert import sentencepiece_model
from model.settings import Settings

BLANK = 0
UnitKind = Literal["word", "character", "sentencepiece"]


@dataclass(frozen=True)
class Tokenizer:
    """A fixed list of output units. `symbols[0]` is the blank. Word units contain only the words of their training texts.

    `model` is the model of SentencePiece, in base 64. Its number 0 means unknown characters.
    """

    kind: UnitKind
    symbols: tuple[str, ...]
    model: str | None = None

    @classmethod
    def from_texts(cls, kind: UnitKind, texts: Iterable[str], vocab_size: int = 1000) -> Self:
        """Return the units of `texts`, sorted, after the blank; for sentencepiece, the most likely ones, at most `vocab_size`."""
        if kind == "sentencepiece":
            model = _train_sentencepiece(sorted(texts), vocab_size)
            processor = _processor(model)
            return cls(kind, ("<blank>", *(processor.id_to_piece(n) for n in range(1, len(processor)))), model)
        found = {symbol for text in texts for symbol in _split(kind, text)}
        return cls(kind, ("<blank>", *sorted(found)))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the tokenizer from JSON that `dataclasses.asdict` gave."""
        return cls(value["kind"], tuple(value["symbols"]), value.get("model"))

    def encode(self, text: str) -> list[int]:
        """Return the numbers of the units of `text`. Raises KeyError for a unit that the training texts do not contain."""
        if self.model is not None:
            numbers = _processor(self.model).encode(text)
            if BLANK in numbers:
                raise KeyError(text)
            return list(numbers)
        known = {symbol: number for number, symbol in enumerate(self.symbols)}
        return [known[symbol] for symbol in _split(self.kind, text)]

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of units; `numbers` contain no blanks and no CTC repeats."""
        if self.model is not None:
            return str(_processor(self.model).decode(list(numbers)))
        symbols = [self.symbols[number] for number in numbers]
        return " ".join(symbols) if self.kind == "word" else " ".join("".join(symbols).split())


def tokenizer_for(settings: Settings, data: Corpus) -> Tokenizer:
    """Return the tokenizer of the training texts of a corpus, or that of the checkpoint whose decoder training starts from.

    Raises UserError if the units of the checkpoint cannot write a training text.
    """
    texts = [utterance.text for utterance in data.utterances("train")]
    if (found := _of_start(settings)) is None:
        return Tokenizer.from_texts(settings.decoder.units, texts, settings.decoder.vocab_size)
    for text in texts:
        if BLANK in _processor(found.model or "").encode(text):
            raise UserError(
                f"the sentencepiece units of {settings.init_from.checkpoint} cannot write the training text {text!r}: "
                "set init_from.decoder: false, for units of the training texts and a decoder that starts at random"
            )
    return found


def _of_start(settings: Settings) -> Tokenizer | None:
    """Return the tokenizer of the checkpoint in `init_from`; None if it has none, or if its decoder is not taken."""
    start, decoder = settings.init_from, settings.decoder
    if start.checkpoint is None or not (start.decoder and decoder.layers and decoder.units == "sentencepiece"):
        return None
    content = sentencepiece_model(checkpoint_file.local(start.checkpoint))
    if content is None:
        return None
    model = base64.b64encode(content).decode()
    try:
        processor = _processor(model)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"the sentencepiece model in {start.checkpoint} is damaged ({error}); get the file again"
        ) from error
    if processor.unk_id() != BLANK:
        return None
    return Tokenizer("sentencepiece", ("<blank>", *(processor.id_to_piece(n) for n in range(1, len(processor)))), model)


def _split(kind: str, text: str) -> Sequence[str]:
    return text.split() if kind == "word" else list(text)


def _train_sentencepiece(texts: Sequence[str], vocab_size: int) -> str:
    """Return a unigram model (Kudo 2018). One thread and sorted texts give the same units on every run."""
    characters = len({character for text in texts for character in text})
    if vocab_size <= characters + 1:
        raise UserError(
            f"decoder.vocab_size has to be at least the number of characters, {characters}, plus two; got {vocab_size}"
        )
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        model_type="unigram",
        vocab_size=vocab_size,
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


def check_frames(utterances: Sequence[Utterance], tokenizer: Tokenizer) -> None:
    """Raise UserError if more than one percent of the utterances are too short for CTC, which then learns nothing from them.

    CTC needs one frame per unit, and one more frame between two equal units.
    """
    short = [u.id for u in utterances if u.frames < _frames_needed(tokenizer.encode(u.text))]
    if len(short) > len(utterances) // 100:
        raise UserError(
            f"CTC needs at least one frame per {tokenizer.kind}: {len(short)} of {len(utterances)} "
            f"training utterances are shorter (e.g. {short[0]}); use decoder.units: word, or slower speech"
        )


def _frames_needed(numbers: Sequence[int]) -> int:
    return len(numbers) + sum(a == b for a, b in itertools.pairwise(numbers))
