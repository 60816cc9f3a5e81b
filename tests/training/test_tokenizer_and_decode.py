"""The tokenizer and greedy decoding, against a reference that follows the definition of the CTC best path."""

import json
from dataclasses import asdict
from itertools import groupby

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from training.decode import greedy
from training.tokenizer import BLANK, Tokenizer

TOKENIZER = Tokenizer("word", ("<blank>", "bin", "blue", "at"))


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=4))
def test_greedy_merges_repeats_then_drops_blanks(paths: list[list[int]]) -> None:
    frames = max(map(len, paths))
    log_probs = torch.full((len(paths), frames, 4), -9.0)
    for row, path in enumerate(paths):
        log_probs[row, torch.arange(frames), torch.tensor(path + [1] * (frames - len(path)))] = 0.0
    wanted = [" ".join(TOKENIZER.symbols[unit] for unit, _ in groupby(path) if unit) for path in paths]
    assert greedy(log_probs, [len(path) for path in paths], TOKENIZER) == wanted


@pytest.mark.parametrize("kind", ["word", "character"])
def test_a_tokenizer_restores_the_text(kind: str) -> None:
    text = "place white with q three please"
    tokenizer = Tokenizer.from_texts(kind, [text])  # type: ignore[arg-type]
    assert 0 not in tokenizer.encode(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_an_unknown_word_is_an_error() -> None:
    with pytest.raises(KeyError):
        TOKENIZER.encode("bin green")


def test_sentencepiece_restores_texts_and_is_reproducible() -> None:
    texts = [f"{a} {b} at {c}" for a in ("bin", "place", "set") for b in ("blue", "green") for c in ("four", "nine")]
    tokenizer = Tokenizer.from_texts("sentencepiece", texts, vocab_size=30)
    assert tokenizer == Tokenizer.from_texts("sentencepiece", texts[::-1], vocab_size=30)
    assert len(Tokenizer.from_texts("sentencepiece", texts, vocab_size=18).symbols) < len(tokenizer.symbols) <= 30
    assert Tokenizer.from_json(json.loads(json.dumps(asdict(tokenizer)))) == tokenizer
    for text in texts:
        assert BLANK not in tokenizer.encode(text)
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode(texts[0])) < len(texts[0])
    with pytest.raises(KeyError):
        tokenizer.encode("quebec")


def test_too_small_a_vocab_size_for_the_characters_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"decoder.vocab_size has to be at least the number of characters, \d+, plus two; got 3"
    ):
        Tokenizer.from_texts("sentencepiece", ["place white with q three please"], vocab_size=3)
