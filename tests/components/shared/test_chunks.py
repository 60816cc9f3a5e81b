"""The division of trials into turns of the loop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import UserError
from components.shared.chunks import MOST_TURNS, chunks, positions, trials_per_task


@given(st.integers(0, 5000))
def test_every_trial_is_in_one_turn(trials: int) -> None:
    found = [position for chunk in chunks(trials) for position in positions(chunk)]
    assert found == list(range(trials))
    sizes = [len(positions(chunk)) for chunk in chunks(trials)]
    assert len(sizes) == min(trials, MOST_TURNS)
    assert not sizes or max(sizes) - min(sizes) <= 1


@given(st.integers(1, 500), st.integers(1, 600))
def test_a_given_size_is_kept(trials: int, size: int) -> None:
    if trials > size * MOST_TURNS:
        with pytest.raises(UserError, match="at most 48 tasks"):
            chunks(trials, size)
        return
    sizes = [len(positions(chunk)) for chunk in chunks(trials, size)]
    assert sum(sizes) == trials
    assert set(sizes[:-1]) <= {size}
    assert 0 < sizes[-1] <= size


def test_the_remedy_of_too_many_turns_works() -> None:
    with pytest.raises(UserError, match="have 334; give at least 21, or leave it empty"):
        chunks(1000, 3)
    assert len(chunks(1000, 21)) <= MOST_TURNS


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "all", "1e2"])
def test_a_size_is_a_whole_number_from_1(text: str) -> None:
    with pytest.raises(UserError, match="a whole number from 1"):
        trials_per_task(text)


def test_an_empty_size_is_chosen() -> None:
    assert trials_per_task("") is None
    assert trials_per_task(" 3 ") == 3
