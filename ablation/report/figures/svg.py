"""Figures as inline SVG for the page.

The style sheet chooses the colours: a series has the class `s0`, `s1`, ... and draws in `currentColor`, so that one picture
serves the light and the dark scheme.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape

from ablation.report.figures.layout import Anchor, draw
from ablation.report.figures.spec import Figure, Point, colour

SHAPES = ("circle", "square", "diamond", "up", "down", "left", "right")
RADIUS = 4.0
CORNERS: Mapping[str, Sequence[Point]] = {
    "square": [(-4, -4), (4, -4), (4, 4), (-4, 4)],
    "diamond": [(0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)],
    "up": [(0, -5), (5, 4), (-5, 4)],
    "down": [(0, 5), (5, -4), (-5, -4)],
    "left": [(-5, 0), (4, -5), (4, 5)],
    "right": [(5, 0), (-4, -5), (-4, 5)],
}


def to_svg(figure: Figure) -> str:
    """Return the whole SVG of a figure."""
    canvas = SvgCanvas()
    draw(figure, canvas)
    return (
        f'<svg viewBox="0 0 {figure.width} {figure.height}" role="img" aria-label="{escape(figure.label)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(canvas.parts)}</svg>'
    )


def swatch(series: int) -> str:
    """Return line and marker of a series, for a legend."""
    canvas = SvgCanvas()
    with canvas.group(series):
        canvas.line([(1, 8), (39, 8)])
        canvas.mark(20, 8)
    return f'<svg class="swatch" viewBox="0 0 40 16" aria-hidden="true">{"".join(canvas.parts)}</svg>'


class SvgCanvas:
    """Collects the elements of a picture."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._number = 0

    def text(self, x: float, y: float, words: str, *, bold: bool = False, anchor: Anchor = "middle") -> None:
        kind = "name" if bold else "tick"
        self.parts.append(f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words)}</text>')

    def rule(self, start: Point, end: Point, *, axis: bool) -> None:
        kind = "axis" if axis else "grid"
        self.parts.append(f'<line class="{kind}" {_ends(start, end)}/>')

    @contextmanager
    def group(self, series: int) -> Iterator[None]:
        self._number = series
        self.parts.append(f'<g class="s{colour(series)}">')
        yield
        self.parts.append("</g>")

    def line(self, points: Sequence[Point], *, thin: bool = False) -> None:
        kind = "line thin" if thin else "line"
        self.parts.append(f'<polyline class="{kind}" points="{_path(points)}"/>')

    def whisker(self, low: float, high: float, y: float) -> None:
        self.parts.append(f'<line stroke="currentColor" {_ends((low, y), (high, y))}/>')

    def mark(self, x: float, y: float, *, hint: str = "", filled: bool = True) -> None:
        """The browser shows `hint` when the pointer rests on the mark."""
        kind = "mark" if filled else "mark hollow"
        title = f"<title>{escape(hint)}</title>" if hint else ""
        shape = SHAPES[self._number % len(SHAPES)]
        if shape == "circle":
            self.parts.append(f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{RADIUS:g}">{title}</circle>')
            return
        path = _path([(x + dx, y + dy) for dx, dy in CORNERS[shape]])
        self.parts.append(f'<polygon class="{kind}" points="{path}">{title}</polygon>')

    def band(self, lower: Sequence[Point], upper: Sequence[Point]) -> None:
        self.parts.append(f'<polygon class="band" points="{_path([*upper, *reversed(lower)])}"/>')


def _path(points: Sequence[Point]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _ends(start: Point, end: Point) -> str:
    return f'x1="{start[0]:g}" y1="{start[1]:g}" x2="{end[0]:g}" y2="{end[1]:g}"'
