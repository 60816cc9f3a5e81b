"""Differences with values from elsewhere have the same decimals in all cells of a table."""

import pandas as pd
import pytest

from ablation.report.amounts import Amounts, places
from ablation.stats.measures import measure
from ablation.stats.metrics import WER

NAN = float("nan")


def table(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["difference", "diff_low", "diff_high"])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(7.15, 6.0, 8.3), (-0.02, -1.2, 1.1)], 2),
        ([(0.123, 0.11, 0.136), (0.0004, -0.001, 0.0018)], 4),
        ([(1234.0, 1000.0, 1468.0), (3.0, -200.0, 206.0)], 0),
        ([(0.5, NAN, NAN), (0.01, NAN, NAN), (NAN, NAN, NAN)], 3),
        ([(5.0, 5.0, 5.0)], 2),
        ([(1.0, 1e-9 + 1, 1 + 2e-9)], 4),
        ([(2e7, 1e7, 3e7)], None),
        ([(2e-6, 1e-6, 3e-6)], None),
        ([(0.0, 0.0, 0.0)], None),
        ([(NAN, NAN, NAN)], None),
    ],
)
def test_decimals_suit_the_largest_difference_and_the_narrowest_interval(
    rows: list[tuple[float, float, float]], expected: int | None
) -> None:
    assert places(table(*rows)) == expected


def test_decimal_points_of_a_table_are_aligned() -> None:
    write = Amounts(measure("psnr", higher_is_better=True, unit="dB")).aligned(
        table((7.15, 6.0, 8.3), (-0.02, -1.2, 1.1))
    )
    assert [write.difference(value) for value in (7.15, -0.02, 0.001, NAN)] == ["+7.15", "−0.02", "0.00", "–"]
    assert Amounts(WER).aligned(table((0.1, 0.0, 0.2))) == Amounts(WER)
