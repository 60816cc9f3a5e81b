"""Texts in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark. No other encoding is guessed."""

import codecs
import re

LINE_END = re.compile(
    r"\r\n|\n|\r"
)  # other separators of Unicode (form feed, NEL, U+2028) are white space inside a line
_MARKS = (  # longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class NotText(ValueError):
    """Bytes that are not text: the number of the line, from 1, and `byte` that is not `encoding`, or None for a NUL character."""

    def __init__(self, line: int, byte: int | None, encoding: str) -> None:
        super().__init__(f"line {line} is not {encoding}")
        self.line, self.byte, self.encoding = line, byte, encoding


def decode(data: bytes) -> str:
    """Return the text of a file. Raises NotText."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    name = encoding.removesuffix("-sig").upper()
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\n|\r", data[: error.start])) + 1
        raise NotText(line, data[error.start], name) from error
    if "\0" in text:
        raise NotText(len(LINE_END.findall(text[: text.index("\0")])) + 1, None, name)
    return text
