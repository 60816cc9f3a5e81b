"""Draw a figure on a canvas: the same places for every format."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from ablation.report.figures.spec import (
    FOREST,
    HEAD,
    LONGEST_ARM,
    NAME,
    ROW,
    Band,
    Figure,
    Forest,
    Plot,
    Point,
    Row,
    Series,
    short,
)

Anchor = Literal["start", "middle", "end"]
X_GAP, Y_GAP = 52, 34  # least pixels between two round ticks
BAND_HALF = 6  # pixels to each side of a band's single point


class Canvas(Protocol):
    """Shapes in pixels from the upper left corner. Those inside `group` have the colour and dashes of a series."""

    def text(self, x: float, y: float, words: str, *, bold: bool = False, anchor: Anchor = "middle") -> None:
        """Write on the base line `y`."""

    def rule(self, start: Point, end: Point, *, axis: bool) -> None:
        """Draw a line of the grid or of an axis."""

    def group(self, series: int) -> AbstractContextManager[None]:
        """Draw the next shapes as those of a series."""

    def line(self, points: Sequence[Point], *, thin: bool = False) -> None:
        """Draw a line through points."""

    def whisker(self, low: float, high: float, y: float) -> None:
        """Draw an interval."""

    def mark(self, x: float, y: float, *, hint: str = "", filled: bool = True) -> None:
        """Draw a point in the shape of the series."""

    def band(self, lower: Sequence[Point], upper: Sequence[Point]) -> None:
        """Tint the area between two lines."""


def draw(figure: Figure, canvas: Canvas) -> None:
    """Draw the whole figure."""
    if isinstance(figure, Plot):
        _frame(figure, canvas)
        _plot(figure, canvas)
    else:
        _forest(figure, canvas)


def _frame(plot: Plot, canvas: Canvas) -> None:
    """Grid lines, tick labels and the names of the axes."""
    area = plot.layout
    ys = [(plot.pixel((plot.x.low, value))[1], name) for value, name in plot.y.marks(area.bottom - area.top, Y_GAP)]
    xs = [(plot.pixel((value, plot.y.low))[0], name) for value, name in plot.x.marks(area.right - area.left, X_GAP)]
    for y, name in ys:
        canvas.rule((area.left, y), (area.right, y), axis=False)
        canvas.text(area.left - 7, y + 4, name, anchor="end")
    canvas.rule((area.left, area.bottom), (area.right, area.bottom), axis=True)
    for x, name in xs:
        canvas.rule((x, area.bottom), (x, area.bottom + 4), axis=True)
        canvas.text(x, area.bottom + 18, name)
    canvas.text((area.left + area.right) / 2, area.bottom + 36, plot.x.name, bold=True)
    canvas.text(area.left, area.top - 10, plot.y.name, bold=True, anchor="start")


def _plot(plot: Plot, canvas: Canvas) -> None:
    """All bands, then all lines, so that no band covers a line; the first series on top."""
    drawn = [series for series in reversed(plot.series) if series.lines or series.marks]
    for series in drawn:
        if series.bands:
            with canvas.group(series.number):
                for band in series.bands:
                    canvas.band(*_edges(plot, band))
    for series in drawn:
        with canvas.group(series.number):
            _series(plot, series, canvas)


def _series(plot: Plot, series: Series, canvas: Canvas) -> None:
    for line in series.lines:
        canvas.line([*map(plot.pixel, line.points)], thin=line.thin)
    for mark in series.marks:
        canvas.mark(*plot.pixel((mark.x, mark.y)), hint=mark.hint)


def _edges(plot: Plot, band: Band) -> list[list[Point]]:
    """The lower and the upper line in pixels; those of a single point are made wide enough to be seen."""
    edges = [[*map(plot.pixel, edge)] for edge in (band.lower, band.upper)]
    if len(band.lower) > 1:
        return edges
    return [[(x + side, y) for side in (-BAND_HALF, BAND_HALF)] for [(x, y)] in edges]


def _forest(forest: Forest, canvas: Canvas) -> None:
    bottom, zero = forest.bottom, forest.across(0)
    for value, name in forest.x.marks(FOREST.right - forest.left, Y_GAP):
        canvas.rule((forest.across(value), FOREST.top), (forest.across(value), bottom), axis=value == 0)
        canvas.text(forest.across(value), bottom + 16, name)
    less, more = forest.sides
    canvas.text(zero + 6, 16, f"{more} →", anchor="start")
    canvas.text(zero - 6, 16, f"← {less}", anchor="end")
    for top, (name, rows) in zip(forest.tops(), forest.groups, strict=True):
        canvas.text(6, top + 5, short(name, LONGEST_ARM), bold=True, anchor="start")
        for place, row in enumerate(rows):
            _row(forest, row, top + HEAD + ROW * place, canvas)
    canvas.text((forest.left + FOREST.right) / 2, bottom + 34, forest.x.name, bold=True)


def _row(forest: Forest, row: Row, y: float, canvas: Canvas) -> None:
    canvas.text(NAME, y + 4, forest.row_name(row), anchor="start")
    with canvas.group(1 if row.significant else 0):
        if row.interval:
            canvas.whisker(forest.across(row.interval[0]), forest.across(row.interval[1]), y)
        canvas.mark(forest.across(row.value), y, hint=row.hint, filled=row.significant)
    canvas.text(514, y + 4, row.text, anchor="end")
