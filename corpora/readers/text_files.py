"""Text files of a corpus: tables, lists, word times and transcripts, in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark.

No other encoding is guessed: a wrong guess changes the words of a corpus without a sign. Lines end in LF, CRLF or CR only.
"""

import codecs
import re
from pathlib import Path

from common.errors import UserError

LARGEST_BYTES = 1_000_000_000
_MARKS = (  # longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path) -> str:
    """Return the content of a text file. Raises UserError, with the file and the line, for bytes in another encoding."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UserError(f"a text file of a corpus has at most {LARGEST_BYTES} bytes; {path} has more: split it")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); correct its permissions or its place") from error
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\n|\r", data[: error.start])) + 1
        fault = f"byte {data[error.start]:#04x} is not {encoding.removesuffix('-sig').upper()}"
        raise UserError(_fault(path, line, fault, "save it as UTF-8, e.g. with `iconv -f LATIN1 -t UTF-8`")) from error
    if "\0" in text:
        before = text[: text.index("\0")]
        raise UserError(_fault(path, len(lines(before + "x")), "there is a NUL character", "save it as UTF-8"))
    return text


def lines(text: str) -> list[str]:
    """Return the lines of a text. Other separators of Unicode (form feed, NEL, U+2028) are white space inside a line."""
    found = re.split(r"\r\n|\n|\r", text)
    return found if found[-1] else found[:-1]


def _fault(path: Path, line: int, fault: str, remedy: str) -> str:
    return f"text files of a corpus are UTF-8, or UTF-16 with a byte-order mark; in line {line} of {path}, {fault}: {remedy}"
