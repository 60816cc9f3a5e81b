"""Values and differences of a metric as text: fractions in percent and points, values from elsewhere in their own unit."""

import math
from dataclasses import dataclass, replace

import pandas as pd

from ablation.report.wording import bare, percent, points
from ablation.stats.metrics import Metric
from common.signs import without_sign_of_zero

DIGITS, DIGITS_OF_DIFFERENCES = 4, 3  # significant ones of values from elsewhere, whose size is unknown
MORE_PLACES = 2


@dataclass(frozen=True)
class Amounts:
    """The texts of one metric. A dash stands for no number.

    `places` are the decimals of differences with values from elsewhere; None gives each difference three significant digits.
    """

    metric: Metric
    places: int | None = None

    def aligned(self, table: pd.DataFrame) -> "Amounts":
        """Return the texts for a table with `difference`, `diff_low` and `diff_high`, whose decimal points are aligned."""
        return self if self.metric.is_rate or table.empty else replace(self, places=places(table))

    def value(self, value: float | None) -> str:
        """Write a value with its unit: `6.5 %`, `31.24 dB`, `0.9132`."""
        if self.metric.is_rate or value is None or pd.isna(value):
            return percent(value)
        return f"{self.bare(value)} {self.metric.unit}".rstrip()

    def bare(self, value: float) -> str:
        """Write a value without its unit."""
        return bare(value) if self.metric.is_rate else significant(value, DIGITS).replace("-", "−")

    def difference(self, value: float | None) -> str:
        """Write a difference with its sign and without its unit."""
        if self.metric.is_rate or value is None or pd.isna(value):
            return points(value)
        if self.places is not None:
            return without_sign_of_zero(f"{value:+.{self.places}f}".replace("-", "−"))
        return without_sign_of_zero(significant(value, DIGITS_OF_DIFFERENCES, sign="+").replace("-", "−"))

    def size(self, value: float) -> str:
        """Write the size of a difference without its unit."""
        return bare(abs(value)) if self.metric.is_rate else significant(abs(value), DIGITS_OF_DIFFERENCES)

    def with_unit(self, text: str) -> str:
        """Add the unit of differences: `2.1 points`, `1 point`, `0.3 dB`, `0.012`."""
        unit = "point" if text == "1" and self.metric.is_rate else self.metric.points
        return f"{text} {unit}".rstrip()

    @property
    def in_unit(self) -> str:
        """The unit of differences in running text: ` in points`; empty for numbers without a unit."""
        return f" in {self.metric.points}" if self.metric.points else ""

    @property
    def direction(self) -> str:
        """The direction for a metric that the reader may not know: `, higher is better`; empty for error rates."""
        if self.metric.is_rate:
            return ""
        return ", higher is better" if self.metric.higher_is_better else ", lower is better"


def significant(value: float, digits: int, sign: str = "") -> str:
    """Write a number with that many significant digits, and no exponent from 0.0001 to a million."""
    if value and math.isfinite(value) and 10**digits <= abs(value) < 1e6:
        return f"{value:{sign},.0f}"
    return f"{value:{sign}#.{digits}g}".rstrip(".")


def places(table: pd.DataFrame) -> int | None:
    """Return the decimals for all differences of a table; None if their sizes need exponents.

    The largest difference has three significant digits at least. The narrowest interval, or without any the smallest difference,
    has two if that takes no more than two decimals more.
    """
    differences = table["difference"].abs().dropna()
    widths = ((table["diff_high"] - table["diff_low"]) / 2).dropna()
    largest, small = differences.max(), widths if len(widths) else differences
    if not len(differences) or not 1e-4 <= largest < 1e6:
        return None
    most = DIGITS_OF_DIFFERENCES - 1 - math.floor(math.log10(largest))
    finest = 1 - math.floor(math.log10(small[small > 0].min())) if (small > 0).any() else most
    return max(0, min(max(most, finest), most + MORE_PLACES))
