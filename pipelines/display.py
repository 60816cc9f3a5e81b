"""The display of a running study: a table that is drawn again and again on a terminal, and lines that stay."""

from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

SPACE = 2  # between columns
KEPT = len(" seed 10")  # characters at the end of a name that is too long


class Row(NamedTuple):
    """A line of the table: a name, its state in words, and the style of these words."""

    name: str
    words: str
    style: str = ""


class Display:
    """Context manager. `draw` replaces the table on a terminal; `say` prints a line, in a log too.

    A terminal that cannot move its cursor (TERM=dumb) gets the lines of a log.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        drawn = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, refresh_per_second=4, transient=True) if drawn else None
        self._spinner = Spinner("dots")

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    @property
    def on_terminal(self) -> bool:
        """True if the console is a terminal, where `draw` works."""
        return self._live is not None

    def draw(self, heading: str, rows: Sequence[Row]) -> None:
        """Show a heading and rows in place of those before."""
        if self._live:
            self._live.update(self.table(heading, rows))

    def table(self, heading: str, rows: Sequence[Row]) -> Group:
        """Return the heading and one line per row, cut at the width of the terminal: a line that wraps would hide others."""
        self._spinner.update(text=Text(heading, style="bold"))
        first = Table.grid()
        first.add_column(no_wrap=True, overflow="ellipsis")
        first.add_row(self._spinner)
        names = min(max((len(row.name) for row in rows), default=0), self.console.width * 2 // 5)
        return Group(first, *(_line(row, names) for row in rows))

    def say(self, line: str) -> None:
        """Print a line exactly as it is."""
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)


def _line(row: Row, width: int) -> Text:
    line = Text(" " * SPACE, no_wrap=True, overflow="ellipsis")
    return line.append(f"{_cut(row.name, width):{width + SPACE}}").append(" ".join(row.words.split()), style=row.style)


def _cut(name: str, width: int) -> str:
    """Return the name in at most `width` characters, with its end, which is the seed of a trial."""
    return name if len(name) <= width else f"{name[: max(width - KEPT - 1, 0)]}…{name[-KEPT:]}"
