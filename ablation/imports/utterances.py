"""Utterances of a file, and the text of a file, whatever its encoding and its line ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.unicode_text import LINE_END, NotText, decode


@dataclass(frozen=True)
class Utterance:
    """One utterance of a file; `line` counts from 1. A text that the file does not have is None.

    A format with one text per utterance has it in `hypothesis`, whatever the file is used for.
    """

    id: str
    line: int
    hypothesis: str | None = None
    reference: str | None = None

    @property
    def said(self) -> str | None:
        """The reference, if the file is used for its references."""
        return self.hypothesis if self.reference is None else self.reference


def read_text(path: Path) -> str:
    """Return the content of a file in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark. Raises UserError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); correct the path or its permissions") from error
    try:
        return decode(data)
    except NotText as error:
        if error.byte is None:
            raise UserError(f"{path} has NUL characters, so it is not a text in UTF-8; save it as UTF-8") from error
        fault = f"byte {error.byte:#04x} in line {error.line} is not {error.encoding}"
        raise UserError(f"{path}: {fault}; save it as UTF-8, e.g. with `iconv -f LATIN1 -t UTF-8`") from error


def numbered(text: str) -> list[tuple[int, str]]:
    """Return the lines that are not blank, each with its number. Only LF, CRLF and CR end a line."""
    return [(number, line) for number, line in enumerate(LINE_END.split(text), 1) if line.strip()]


def some(names: Sequence[str], count: int = 3) -> str:
    """Quote the first few of some names: `'a', 'b', ...`."""
    return ", ".join(map(repr, names[:count])) + (", ..." if len(names) > count else "")
