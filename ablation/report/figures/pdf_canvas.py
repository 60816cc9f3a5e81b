"""The canvas of a PDF page: a matplotlib figure whose only axes count pixels from the upper left corner."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.text import Text

from ablation.report.figures.layout import Anchor
from ablation.report.figures.spec import Point, colour

STYLE = Path(__file__).parents[1] / "formats" / "style.css"
MARKERS = "osD^v<>"
FONT_POINTS, CM_PER_INCH, PIXEL_POINTS = 7.0, 2.54, 0.75
ALIGN: Mapping[Anchor, str] = {"start": "left", "middle": "center", "end": "right"}
FILES = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
REGULAR, BOLD = FILES / "DejaVuSans.ttf", FILES / "DejaVuSans-Bold.ttf"


class PdfCanvas:
    """Collects shapes; `origin` moves those that follow. `cm` is the length of a pixel."""

    def __init__(self, cm: float) -> None:
        self.origin: Point = (0.0, 0.0)
        self._cm, self._number = cm, 0
        self._figure = Figure()
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_axis_off()
        self._rules: dict[bool, list[list[Point]]] = {False: [], True: []}

    def finish(self, width: float, height: float) -> Figure:
        """Return the figure, cut to its size in pixels."""
        inches = self._cm / CM_PER_INCH
        self._figure.set_size_inches(width * inches, height * inches)
        self._axes.set(xlim=(0, width), ylim=(height, 0))
        for axis, lines in self._rules.items():
            tint = scheme()["soft" if axis else "rule"]
            self._axes.add_collection(
                LineCollection(lines, colors=tint, linewidths=0.5 if axis else 0.3, zorder=0), False
            )
        return self._figure

    def measure(self, words: str) -> float:
        """Return the width of a text in pixels."""
        font = _font(REGULAR)
        font.set_size(FONT_POINTS, 72)
        font.set_text(drawable(words))
        return font.get_width_height()[0] / 64 / 72 * CM_PER_INCH / self._cm

    def text(self, x: float, y: float, words: str, *, bold: bool = False, anchor: Anchor = "middle") -> None:
        font = FontProperties(fname=str(BOLD if bold else REGULAR), size=FONT_POINTS)
        tint = scheme()["ink" if bold else "soft"]
        left, top = self._moved([(x, y)])[0]
        self._axes.add_artist(
            Text(
                left,
                top,
                drawable(words),
                color=tint,
                fontproperties=font,
                ha=ALIGN[anchor],
                va="baseline",
                parse_math=False,
            )
        )

    def rule(self, start: Point, end: Point, *, axis: bool) -> None:
        self._rules[axis].append(self._moved([start, end]))

    @contextmanager
    def group(self, series: int) -> Iterator[None]:
        self._number = series
        yield

    def line(self, points: Sequence[Point], *, thin: bool = False) -> None:
        dashes = pattern(self._number)
        self._add_line(points, lw=0.4 if thin else 0.9, linestyle=(0, dashes) if dashes else "-")

    def whisker(self, low: float, high: float, y: float) -> None:
        self._add_line([(low, y), (high, y)], lw=0.8)

    def mark(self, x: float, y: float, *, hint: str = "", filled: bool = True) -> None:  # noqa: ARG002
        """A page has no pointer, so `hint` is not drawn."""
        shape = MARKERS[self._number % len(MARKERS)]
        size = 8 * self._cm / CM_PER_INCH * 72
        fill = self._tint if filled else "white"
        self._add_line([(x, y)], marker=shape, ms=size, mew=0.6, mfc=fill, mec=self._tint)

    def band(self, lower: Sequence[Point], upper: Sequence[Point]) -> None:
        edge = self._moved([*upper, *reversed(lower)])
        self._axes.add_artist(Polygon(edge, facecolor=self._tint, alpha=0.11, linewidth=0, zorder=1))

    @property
    def _tint(self) -> str:
        place = colour(self._number)
        return scheme()[f"c{place}" if place else "ink"]

    def _add_line(self, points: Sequence[Point], **style: Any) -> None:
        xs, ys = zip(*self._moved(points), strict=True) if points else ((), ())
        self._axes.add_artist(Line2D(xs, ys, color=self._tint, zorder=2, **style))

    def _moved(self, points: Sequence[Point]) -> list[Point]:
        return [(x + self.origin[0], y + self.origin[1]) for x, y in points]


@cache
def scheme() -> Mapping[str, str]:
    """Return the colours of the style sheet's light scheme by name."""
    return dict(re.findall(r"--([\w-]+): (#\w+);", STYLE.read_text(encoding="utf-8").partition("@media")[0]))


@cache
def pattern(series: int) -> tuple[float, ...]:
    """Return the dashes of a series in points, on and off by turns; the style sheet has them in pixels."""
    style = STYLE.read_text(encoding="utf-8")
    found = re.search(rf"\.s{colour(series)} \.line \{{ stroke-dasharray: ([\d. ]+);", style)
    return tuple(PIXEL_POINTS * float(length) for length in found[1].split()) if found else ()


def drawable(words: str) -> str:
    """Return a text on one line; characters that the font lacks appear as their code point, e.g. U+4E2D."""
    known = _font(REGULAR).get_charmap()
    return "".join(c if ord(c) in known else f"U+{ord(c):04X}" for c in " ".join(words.split()))


@cache
def _font(path: Path) -> FT2Font:
    return FT2Font(str(path))
