"""The display of a running study: a table that is drawn again and again on a terminal, and lines that stay."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table


class Display:
    """Context manager. `draw` replaces the table on a terminal; `say` prints a line, in a log too."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None

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

    def draw(self, table: Table) -> None:
        """Show the table in place of the one before."""
        if self._live:
            self._live.update(table)

    def say(self, line: str) -> None:
        """Print a line exactly as it is."""
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)
