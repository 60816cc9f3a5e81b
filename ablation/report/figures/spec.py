"""Figures as data: series, intervals and axes. `svg` draws them for the page and `pdf` for LaTeX.

Lengths are in pixels of a virtual page, counted from the upper left corner; both renderers use the same ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ablation.report.figures.axis import Axis

Point = tuple[float, float]
SERIES_COLOURS = 7


@dataclass(frozen=True)
class Line:
    """A line through points; a thin one for a single seed or for a part that is less certain."""

    points: Sequence[Point]
    thin: bool = False


@dataclass(frozen=True)
class Mark:
    """A point in the shape of its series. The page shows `hint` under the pointer."""

    x: float
    y: float
    hint: str = ""


@dataclass(frozen=True)
class Band:
    """The area between two lines."""

    lower: Sequence[Point]
    upper: Sequence[Point]


@dataclass(frozen=True)
class Series:
    """Everything of one arm or layer. The number gives colour, dashes and shape; 0 is the baseline."""

    number: int
    lines: Sequence[Line] = ()
    marks: Sequence[Mark] = ()
    bands: Sequence[Band] = ()


@dataclass(frozen=True)
class Layout:
    """The size of a plot and the place of its axes: x from `left` to `right`, y from `bottom` to `top`."""

    width: int
    height: int
    left: int
    right: int
    bottom: int
    top: int


LARGE = Layout(520, 304, left=46, right=508, bottom=262, top=30)
SMALL = Layout(420, 234, left=56, right=410, bottom=192, top=30)


@dataclass(frozen=True)
class Plot:
    """Series over a common x axis; the first series is drawn last. A screen reader says `label`."""

    label: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    layout: Layout = LARGE

    @property
    def width(self) -> int:
        """The width of the figure in pixels."""
        return self.layout.width

    @property
    def height(self) -> int:
        """The height of the figure in pixels."""
        return self.layout.height

    def pixel(self, point: Point) -> Point:
        """Return where a point is drawn."""
        area = self.layout
        return _place(self.x, point[0], area.left, area.right), _place(self.y, point[1], area.bottom, area.top)


@dataclass(frozen=True)
class Row:
    """A difference or a contrast with its interval, which may be unknown, and its text."""

    name: str
    value: float
    text: str
    interval: Point | None = None
    significant: bool = False
    hint: str = ""


FOREST = Layout(520, 0, left=130, right=462, bottom=0, top=26)  # its height follows from its rows
LETTER = 7.5  # pixels of a letter
NAME, WIDEST = 18, 210  # pixels left of a row's name, and the most room for both
LONGEST_ARM = 52  # letters of an arm's name, which has the figure's width
HEAD, ROW, GROUP = 20, 20, 24  # pixels from a group's name to its first row, per row, and per group besides its rows
FIRST_GROUP, BELOW = 34, 44  # pixels above the first group, and below the last one


@dataclass(frozen=True)
class Forest:
    """Groups of rows around zero on one axis, a group per arm or contrast. A screen reader says `label`.

    `sides` says what values below and above zero mean.
    """

    label: str
    x: Axis
    groups: Sequence[tuple[str, Sequence[Row]]]
    sides: tuple[str, str] = ("better", "arm is worse")

    @property
    def width(self) -> int:
        """The width of the figure in pixels."""
        return FOREST.width

    @property
    def left(self) -> int:
        """The pixel at the low end of the axis: names of rows need more room if they are long, up to `WIDEST`."""
        longest = max((len(row.name) for _, rows in self.groups for row in rows), default=0)
        return min(WIDEST, max(FOREST.left, math.ceil(NAME + LETTER * (longest + 1))))

    def row_name(self, row: Row) -> str:
        """Return the name of a row as it fits left of the axis."""
        return short(row.name, int((self.left - NAME) / LETTER))

    @property
    def bottom(self) -> int:
        """The pixel below the last row."""
        return FIRST_GROUP + sum(GROUP + ROW * len(rows) for _, rows in self.groups)

    @property
    def height(self) -> int:
        """The height of the figure in pixels."""
        return self.bottom + BELOW

    def tops(self) -> list[int]:
        """The pixel at the top of each group."""
        sizes = [GROUP + ROW * len(rows) for _, rows in self.groups]
        return [FIRST_GROUP + sum(sizes[:place]) for place in range(len(sizes))]

    def across(self, value: float) -> float:
        """Return the pixel of a difference, counted from the left."""
        return _place(self.x, value, self.left, FOREST.right)


Figure = Plot | Forest


def _place(axis: Axis, value: float, start: float, end: float) -> float:
    return round(start + axis.share(value) * (end - start), 1)


def colour(series: int) -> int:
    """Return the number of a series' colour and dashes; beyond the palette they start again at 1."""
    return series if series < SERIES_COLOURS else 1 + (series - 1) % (SERIES_COLOURS - 1)


def short(words: str, length: int) -> str:
    """Return a label cut to a length in its middle, as long names often begin alike, with an ellipsis where it is cut."""
    if len(words) <= length:
        return words
    end = (length - 1) // 2
    return f"{words[: length - 1 - end]}…{words[len(words) - end :]}"
