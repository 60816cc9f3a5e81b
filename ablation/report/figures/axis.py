"""Axes of figures: scales and round ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Scale = Literal["linear", "log", "asinh"]
Tick = tuple[float, str]


@dataclass(frozen=True)
class Axis:
    """A named scale from `low` to `high`. `asinh` is linear below 1 and logarithmic beyond.

    `ticks` are values with their labels; None asks for round values.
    """

    name: str
    low: float
    high: float
    scale: Scale = "linear"
    ticks: Sequence[Tick] | None = None

    def share(self, value: float) -> float:
        """Return the position of a value between `low` (0) and `high` (1)."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(value) - low) / ((high - low) or 1)

    def marks(self, length: float, gap: float) -> Sequence[Tick]:
        """Return the ticks of an axis of `length` pixels; round values are at least `gap` pixels apart."""
        if self.ticks is not None:
            return self.ticks
        return [(value, number(value)) for value in self._round(length, gap)]

    def _scaled(self, value: float) -> float:
        if self.scale == "linear":
            return value
        return math.log10(value) if self.scale == "log" else math.asinh(value)

    def _round(self, length: float, gap: float) -> list[float]:
        if self.scale == "linear":
            return _round_values(self.low, self.high, max(1, int(length / gap)))
        if self.scale == "log":
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return self._apart([10.0**power for power in powers], gap / length)
        sizes = [size * 10**power for power in range(4) for size in (1, 2, 5)]
        near_first = [0.0, *(sign * size for size in sizes for sign in (1, -1))]
        return self._apart([value for value in near_first if self.low <= value <= self.high], gap / length)

    def _apart(self, candidates: Sequence[float], least: float) -> list[float]:
        kept: list[float] = []
        for value in candidates:
            if all(abs(self.share(value) - self.share(other)) >= least for other in kept):
                kept.append(value)
        return sorted(kept)


def _round_values(low: float, high: float, count: int) -> list[float]:
    """At most `count` + 1 multiples of 1, 2 or 5 times a power of ten."""
    span = (high - low) or 1
    raw = 10 ** math.floor(math.log10(span / count))
    step = next(raw * factor for factor in (1, 2, 5, 10, 20) if span / (raw * factor) <= count)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def number(value: float) -> str:
    """Return a tick's label: short, with a real minus sign."""
    written = f"{value:.0e}" if value and not 1e-3 <= abs(value) < 1e5 else f"{value:g}"
    return written.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")
