"""The output of a command on its way to the log of the run: bounded, without secrets, and its last lines kept."""

import re
from collections import deque
from collections.abc import Callable

from common.redact import redact

HEAD_BYTES = 1_000_000  # of the output are printed as they come
TAIL_BYTES = 16_000  # are kept: the last ones are printed at the end if the middle was left out
REASON_LINES, REASON_CHARACTERS = 3, 300
TRACEBACK = "Traceback (most recent"
_ENDS = re.compile(r"[\r\n]+")
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours and movements of a terminal


class Output:
    """One stream of output. `say` prints a text."""

    def __init__(self, say: Callable[[str], None], head_bytes: int = HEAD_BYTES) -> None:
        self._say, self._head, self._tail = say, head_bytes, deque[bytes]()
        self.total, self._kept, self._line = 0, 0, b""

    def add(self, data: bytes) -> None:
        """Take a piece of output. Whole lines are printed until the limit."""
        room = self._head - self.total
        self.total += len(data)
        if room > 0:
            whole, _, self._line = (self._line + data[:room]).rpartition(b"\n")
            if whole:
                self._say(redact(_text(whole)))
            if room <= len(data):
                self._flush()
        self._keep(data)

    def close(self) -> None:
        """Print the rest: an unfinished line, or how much was left out, and the end."""
        self._flush()
        if self.total <= self._head:
            return
        end = min(TAIL_BYTES, self.total - self._head)
        if out := self.total - self._head - end:
            self._say(f"[{out:,} of {self.total:,} bytes of output are left out here]")
        self._say(redact(_text(b"".join(self._tail)[-end:])))

    def last(self) -> str:
        """Return the last lines as one, without secrets, e.g. for the reason of a failure."""
        text = _CODES.sub("", _text(b"".join(self._tail)))
        lines = [line for line in _ENDS.split(text) if line.strip()]
        inside = [number for number, line in enumerate(lines) if line.startswith((TRACEBACK, "  "))]
        if any(lines[number].startswith(TRACEBACK) for number in inside):
            lines = lines[inside[-1] + 1 :] or lines  # the exception itself
        said = redact(" / ".join(" ".join(line.split()) for line in lines[-REASON_LINES:]))
        return said if len(said) <= REASON_CHARACTERS else f"...{said[-REASON_CHARACTERS:]}"

    def _keep(self, data: bytes) -> None:
        self._tail.append(data[-TAIL_BYTES:])
        self._kept += len(self._tail[-1])
        while self._kept - len(self._tail[0]) >= TAIL_BYTES:
            self._kept -= len(self._tail.popleft())

    def _flush(self) -> None:
        if self._line:
            self._say(redact(_text(self._line)))
        self._line = b""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").replace("\0", "�")
