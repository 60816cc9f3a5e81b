"""Just enough of a plotting library for the report: axes, lines, points and whiskers as inline SVG.

Colours are left to the style sheet (a series is the class `s0`, `s1`, ... and draws in `currentColor`), so that one
picture serves light and dark. Pixels count from the upper left of the viewBox.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

Scale = Literal["linear", "log", "asinh"]
Point = tuple[float, float]
SERIES_COLOURS = 7
MARKERS = ("circle", "square", "diamond", "up", "down", "left", "right")


@dataclass(frozen=True)
class Axis:
    """A scale from values `low`..`high` to pixels `start`..`end`. `asinh` is linear below 1 and logarithmic beyond."""

    low: float
    high: float
    start: float
    end: float
    scale: Scale = "linear"

    def __call__(self, value: float) -> float:
        low, high = self._scaled(self.low), self._scaled(self.high)
        share = (self._scaled(value) - low) / ((high - low) or 1)
        return round(self.start + share * (self.end - self.start), 1)

    def _scaled(self, value: float) -> float:
        if self.scale == "linear":
            return value
        return math.log10(value) if self.scale == "log" else math.asinh(value)

    def ticks(self, gap: float = 34) -> list[float]:
        """Round values that lie at least `gap` pixels apart."""
        if self.scale == "linear":
            return _round_values(self.low, self.high, max(1, int(abs(self.end - self.start) / gap)))
        if self.scale == "log":
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            return self._apart([10.0**power for power in powers], gap)
        sizes = [size * 10**power for power in range(4) for size in (1, 2, 5)]
        near_first = [0.0, *(sign * size for size in sizes for sign in (1, -1))]
        return self._apart([value for value in near_first if self.low <= value <= self.high], gap)

    def _apart(self, candidates: Sequence[float], gap: float) -> list[float]:
        kept: list[float] = []
        for value in candidates:
            if all(abs(self(value) - self(other)) >= gap for other in kept):
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
    """A tick's label: short, with a real minus."""
    written = f"{value:.0e}" if value and not 1e-3 <= abs(value) < 1e5 else f"{value:g}"
    return written.replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def text(x: float, y: float, words: str, kind: str = "tick", anchor: str = "middle") -> str:
    """A label; `kind` is its class."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>'


def segment(x1: float, y1: float, x2: float, y2: float, kind: str = "") -> str:
    """A straight line; without a class it takes its group's colour."""
    style = f'class="{kind}"' if kind else 'stroke="currentColor"'
    return f'<line {style} x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'


def line(points: Sequence[Point], kind: str = "line") -> str:
    """A line through points."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    return f'<polyline class="{kind}" points="{path}"/>'


def marker(x: float, y: float, series: int, hint: str = "", filled: bool = True) -> str:
    """A point in the series' shape; `hint` shows when the pointer rests on it."""
    shape, r = MARKERS[series % len(MARKERS)], 4.0
    corners = {
        "square": [(-r, -r), (r, -r), (r, r), (-r, r)],
        "diamond": [(0, -r - 1.5), (r + 1.5, 0), (0, r + 1.5), (-r - 1.5, 0)],
        "up": [(0, -r - 1), (r + 1, r), (-r - 1, r)],
        "down": [(0, r + 1), (r + 1, -r), (-r - 1, -r)],
        "left": [(-r - 1, 0), (r, -r - 1), (r, r + 1)],
        "right": [(r + 1, 0), (-r, -r - 1), (-r, r + 1)],
    }
    kind = "mark" if filled else "mark hollow"
    title = f"<title>{escape(hint)}</title>" if hint else ""
    if shape == "circle":
        return f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{r:g}">{title}</circle>'
    path = " ".join(f"{x + dx:g},{y + dy:g}" for dx, dy in corners[shape])
    return f'<polygon class="{kind}" points="{path}">{title}</polygon>'


def band(lower: Sequence[Point], upper: Sequence[Point]) -> str:
    """The area between two lines, in a tint of its group's colour."""
    path = " ".join(f"{x:g},{y:g}" for x, y in [*upper, *reversed(lower)])
    return f'<polygon class="band" points="{path}"/>'


def group(series: int, parts: Sequence[str]) -> str:
    """What belongs to one series: its number gives colour and line style, and to `marker` its shape; 0 is the baseline.

    Beyond the palette they begin again at 1.
    """
    place = series if series < SERIES_COLOURS else 1 + (series - 1) % (SERIES_COLOURS - 1)
    return f'<g class="s{place}">{"".join(parts)}</g>'


def swatch(series: int) -> str:
    """Line and marker of a series, for a legend."""
    drawn = group(series, [line([(1, 8), (39, 8)]), marker(20, 8, series)])
    return f'<svg class="swatch" viewBox="0 0 40 16" aria-hidden="true">{drawn}</svg>'


def short(words: str, length: int) -> str:
    """A label cut to a length, with a sign that it is."""
    return words if len(words) <= length else f"{words[: length - 1]}…"


def frame(
    x: Axis, y: Axis, x_label: str, y_label: str, x_ticks: Sequence[tuple[float, str]] | None = None
) -> list[str]:
    """Grid lines, tick labels and the axes' names."""
    marks = [(value, number(value)) for value in x.ticks(52)] if x_ticks is None else x_ticks
    left, right, bottom, top = x.start, x.end, y.start, y.end
    parts = [segment(left, y(value), right, y(value), "grid") for value in y.ticks()]
    parts += [text(left - 7, y(value) + 4, number(value), anchor="end") for value in y.ticks()]
    parts += [segment(left, bottom, right, bottom, "axis")]
    parts += [segment(x(value), bottom, x(value), bottom + 4, "axis") for value, _ in marks]
    parts += [text(x(value), bottom + 18, label) for value, label in marks]
    parts += [text((left + right) / 2, bottom + 36, x_label, "name"), text(left, top - 10, y_label, "name", "start")]
    return parts


def picture(width: int, height: int, label: str, parts: Sequence[str]) -> str:
    """The whole SVG; `label` is what a screen reader says."""
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
