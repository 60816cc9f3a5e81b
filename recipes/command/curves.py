"""The curves that a command writes while it trains: a JSON object a line, `{"step": 10, "loss": 2.3}`."""

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

LONGEST_LINE_BYTES = 100_000
MOST_POINTS = 200_000  # of all names together
MOST_NAMES = 200
NAME = re.compile(r"[^\w./ -]")
PARAMETERS = "parameters"  # a name whose value is the number of the model's parameters

Log = Callable[[int, Mapping[str, float]], None]


class Curves:
    """A file that grows. `read` hands new points to `log(step, metrics)`; lines that are no points are counted and skipped.

    A point is handed on once: a command that continues after a kill may write the last steps again, or the file anew. The file
    `kept` holds the points of earlier tries, which `repeat` hands on again.
    """

    def __init__(self, path: Path, log: Log, kept: Path | None = None) -> None:
        self.path, self._log, self._kept = path, log, kept
        self.last_step: int | None = None
        self.parameters: int | None = None
        self.skipped, self.points = 0, 0
        self._newest: dict[str, int] = {}
        self._inode, self._offset, self._rest, self._too_long = -1, 0, b"", False

    def repeat(self) -> None:
        """Hand on the points of earlier tries. A line that was cut short by a kill is left out."""
        if self._kept is None or not self._kept.is_file():
            return
        data = self._kept.read_bytes()
        for line in data.splitlines():
            self._take(line, again=True)
        self.skipped = 0
        if not data.endswith(b"\n"):
            self._kept.write_bytes(data + b"\n")

    def read(self, at_end: bool = False) -> None:
        """Hand on what is new. `at_end` takes a last line without a line end, too."""
        for line in self._lines(at_end):
            self._take(line)

    def _lines(self, at_end: bool) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                self._find_place(file.fileno())
                file.seek(self._offset)
                while data := file.read(1 << 20):
                    self._offset += len(data)
                    *whole, self._rest = (self._rest + data).split(b"\n")
                    yield from self._complete(whole)
                    if len(self._rest) > LONGEST_LINE_BYTES:
                        self._rest, self._too_long = b"", True
        except OSError:  # not there yet, a folder, or without permission: there are no curves
            return
        if at_end and self._rest:
            yield from self._complete([self._rest])
            self._rest = b""

    def _find_place(self, descriptor: int) -> None:
        """Start again if the file is another one, or shorter than before."""
        now = os.fstat(descriptor)
        if now.st_ino != self._inode or now.st_size < self._offset:
            self._inode, self._offset, self._rest, self._too_long = now.st_ino, 0, b"", False

    def _complete(self, lines: list[bytes]) -> Iterator[bytes]:
        for line in lines:
            if self._too_long:  # the end of a line whose beginning was dropped
                self._too_long = False
                self.skipped += 1
            elif line.strip():
                yield line

    def _take(self, line: bytes, again: bool = False) -> None:
        step, metrics = _point(line)
        if step is None:
            self.skipped += 1
            return
        if PARAMETERS in metrics:
            self.parameters = int(metrics.pop(PARAMETERS))
        self.last_step = max(step, self.last_step or 0)
        new = {name: value for name, value in metrics.items() if step > self._newest.get(name, -1)}
        if len(self._newest.keys() | new.keys()) > MOST_NAMES or self.points + len(new) > MOST_POINTS:
            self.skipped += 1
            return
        self._newest |= dict.fromkeys(new, step)
        self.points += len(new)
        if not new:
            return
        if self._kept and not again:
            with self._kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **new}) + "\n")
        self._log(step, new)


def _point(line: bytes) -> tuple[int | None, dict[str, float]]:
    """Return step and values of a line; None for a line that is not a point."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None, {}
    step: Any = found.get("step") if isinstance(found, dict) else None
    if not _is_number(step) or step != int(step) or not 0 <= step < 2**53:
        return None, {}
    values = {_name(key): float(value) for key, value in found.items() if key != "step" and _is_number(value)}
    return int(step), values


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and math.isfinite(value)
    )


def _name(key: str) -> str:
    """Return a name that MLflow takes."""
    return NAME.sub("_", key).strip("/. ")[:200] or "_"
