"""A display that changes in place on a terminal, and prints one line per event elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live


class LiveView:
    """Context manager. `live` is None if the console is not a terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def say(self, line: str) -> None:
        """Print a line that stays, as it is."""
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)
