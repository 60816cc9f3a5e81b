"""Numbers that are rounded to zero have no sign."""

import pytest

from ablation.report.amounts import Amounts
from ablation.report.wording import points
from ablation.stats.measures import measure
from ablation.stats.metrics import WER
from common.signs import without_sign_of_zero


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("−0.0", "0.0"), ("+0.0", "0.0"), ("-0.00 points", "0.00 points"), ("−0 %", "0 %"), ("+0", "0"),
        ("−0.1", "−0.1"), ("+0.04", "+0.04"), ("−0.0e5", "−0.0e5"), ("+10.0", "+10.0"), ("–", "–"), ("0.0", "0.0"),
    ],
)  # fmt: skip
def test_only_a_zero_loses_its_sign(text: str, written: str) -> None:
    assert without_sign_of_zero(text) == written


@pytest.mark.parametrize(("value", "written"), [(-0.0004, "0.0"), (0.0004, "0.0"), (-0.0006, "−0.1"), (0.0006, "+0.1")])
def test_differences_of_rates_have_no_signed_zero(value: float, written: str) -> None:
    assert points(value) == Amounts(WER).difference(value) == written


@pytest.mark.parametrize(("value", "written"), [(-0.0, "0.00"), (0.0, "0.00"), (-0.0001, "−0.000100")])
def test_differences_of_other_values_have_no_signed_zero(value: float, written: str) -> None:
    assert Amounts(measure("psnr", higher_is_better=True)).difference(value) == written
