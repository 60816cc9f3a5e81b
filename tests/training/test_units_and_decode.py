"""Units and greedy decoding, against a reference that follows the definition of the CTC best path."""

from itertools import groupby

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.decode import greedy
from training.units import Units

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
