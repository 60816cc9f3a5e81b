"""Units and greedy decoding, against a reference that follows the definition of the CTC best path."""

import json
from dataclasses import asdict
from itertools import groupby

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from training.decode import greedy
from training.units import BLANK, Units

UNITS = Units("word", ("<blank>", "bin", "blue", "at"))


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=4))
def test_greedy_merges_repeats_then_drops_blanks(paths: list[list[int]]) -> None:
    frames = max(map(len, paths))
    log_probs = torch.full((len(paths), frames, 4), -9.0)
    for row, path in enumerate(paths):
        log_probs[row, torch.arange(frames), torch.tensor(path + [1] * (frames - len(path)))] = 0.0
    wanted = [" ".join(UNITS.symbols[unit] for unit, _ in groupby(path) if unit) for path in paths]
    assert greedy(log_probs, [len(path) for path in paths], UNITS) == wanted


@pytest.mark.parametrize("kind", ["word", "character"])
def test_units_give_back_the_text(kind: str) -> None:
    text = "place white with q three please"
    units = Units.from_texts(kind, [text])  # type: ignore[arg-type]
    assert 0 not in units.encode(text)
    assert units.decode(units.encode(text)) == text


def test_a_word_that_was_never_heard_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(KeyError):
        UNITS.encode("bin green")


def test_pieces_give_back_every_text_and_are_the_same_on_every_run() -> None:
    texts = [f"{a} {b} at {c}" for a in ("bin", "place", "set") for b in ("blue", "green") for c in ("four", "nine")]
    units = Units.from_texts("sentencepiece", texts, pieces=30)
    assert units == Units.from_texts("sentencepiece", texts[::-1], pieces=30)
    assert len(Units.from_texts("sentencepiece", texts, pieces=18).symbols) < len(units.symbols) <= 30
    assert Units.from_json(json.loads(json.dumps(asdict(units)))) == units
    for text in texts:
        assert BLANK not in units.encode(text)
        assert units.decode(units.encode(text)) == text
    assert len(units.encode(texts[0])) < len(texts[0])
    with pytest.raises(KeyError):
        units.encode("quebec")


def test_too_few_pieces_for_the_characters_are_refused() -> None:
    with pytest.raises(UserError, match=r"decoder.vocab_size has to be larger .* got 3"):
        Units.from_texts("sentencepiece", ["place white with q three please"], pieces=3)
