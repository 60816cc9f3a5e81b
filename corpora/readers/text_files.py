"""Text files of a corpus: tables, lists, word times and transcripts, in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark.

No other encoding is guessed: a wrong guess changes the words of a corpus without a sign. Lines end in LF, CRLF or CR only.
"""

from pathlib import Path

from common.errors import UserError
from common.unicode_text import LINE_END, NotText, decode

LARGEST_BYTES = 1_000_000_000


def read_text(path: Path) -> str:
    """Return the content of a text file. Raises UserError, with the file and the line, for bytes in another encoding."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UserError(f"a text file of a corpus has at most {LARGEST_BYTES} bytes; {path} has more: split it")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); correct its permissions or its place") from error
    try:
        return decode(data)
    except NotText as error:
        if error.byte is None:
            raise UserError(_fault(path, error.line, "there is a NUL character", "save it as UTF-8")) from error
        fault = f"byte {error.byte:#04x} is not {error.encoding}"
        remedy = "save it as UTF-8, e.g. with `iconv -f LATIN1 -t UTF-8`"
        raise UserError(_fault(path, error.line, fault, remedy)) from error


def lines(text: str) -> list[str]:
    """Return the lines of a text. Other separators of Unicode (form feed, NEL, U+2028) are white space inside a line."""
    found = LINE_END.split(text)
    return found if found[-1] else found[:-1]


def _fault(path: Path, line: int, fault: str, remedy: str) -> str:
    return f"text files of a corpus are UTF-8, or UTF-16 with a byte-order mark; in line {line} of {path}, {fault}: {remedy}"
