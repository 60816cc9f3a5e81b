"""A condition has one name, which is read back, and a label for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.conditions import Condition, conditions


@given(
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True), st.integers(-400, 400).map(lambda tenths: tenths / 10)
)
def test_a_name_is_read_back(kind: str, snr_db: float) -> None:
    assert Condition.parse(Condition(kind, snr_db).name) == Condition(kind, snr_db)


@pytest.mark.parametrize(
    ("condition", "name", "label"),
    [
        (Condition(), "clean", "clean"),
        (Condition("babble", -5.0), "babble_-5db", "babble −5 dB"),
        (Condition("babble", 0.0), "babble_0db", "babble 0 dB"),
        (Condition("street-1", 2.5), "street-1_2.5db", "street-1 2.5 dB"),
        (Condition("rain"), "rain", "rain"),
    ],
)
def test_names_and_labels(condition: Condition, name: str, label: str) -> None:
    assert (condition.label, Condition.parse(name)) == (label, condition)
    assert condition.snr_db is None or condition.name == name


def test_clean_comes_first_and_0_db_is_noise() -> None:
    assert [each.name for each in conditions({"babble": [0]})] == ["clean", "babble_0db"]
