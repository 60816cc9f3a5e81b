"""Signs of numbers in text: a number that is rounded to zero has none."""

import re

ZERO = re.compile(r"[+−-](0(?:\.0*)?)(?![\d.eE])")


def without_sign_of_zero(text: str) -> str:
    """Return a text that starts with a number, without its sign if all of its digits are zero: `−0.0 %` becomes `0.0 %`."""
    return ZERO.sub(r"\1", text, count=1) if ZERO.match(text) else text
