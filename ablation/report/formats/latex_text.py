"""Any text as LaTeX that compiles with every engine and prints as itself: what comes out is ASCII."""

import re
import unicodedata
from collections.abc import Mapping

SPECIAL: Mapping[str, str] = {
    **{character: f"\\{character}" for character in "&%#_{}"},
    **{character: f"{{{character}}}" for character in "[]*"},  # after a line break they would be its arguments
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "$": r"{\upshape\char36}",  # \$ would ask for a font of symbols that not every installation has
    "`": r"\`{}",
    '"': "{''}",
    "-": "-{}",  # two would become a dash
    "–": "--",
    "—": "---",
    "−": "$-$",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "…": r"\ldots{}",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "°": r"$^\circ$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
ACCENTS: Mapping[str, str] = dict(zip("\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327",
                                      "`'^~=u.\"rHvc", strict=True))  # fmt: skip
CAPITAL_GREEK = ["gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"]
SMALL_GREEK = [
    *CAPITAL_GREEK,
    *["alpha", "beta", "epsilon", "zeta", "eta", "iota", "kappa", "mu", "nu", "rho", "tau", "chi"],
]
TIES = re.compile(r"(?<=\d) (?=dB\b|points?\b|\\%)")
LONG, PIECE = 24, 8  # a word that is longer may be broken after every so many characters


def escape(text: object) -> str:
    """Text on one line. What neither Latin letters nor common signs can show stands as its code point, e.g. U+4E2D."""
    return TIES.sub("~", " ".join(map(_word, str(text).split())))


def _word(word: str) -> str:
    shown = [_character(character) for character in unicodedata.normalize("NFC", word)]
    if len(word) <= LONG:
        return "".join(shown)
    pieces = ["".join(shown[start : start + PIECE]) for start in range(0, len(shown), PIECE)]
    return r"\allowbreak{}".join(pieces)


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if " " <= character <= "~":
        return character
    parts = unicodedata.normalize("NFD", character)
    base, mark = parts[:1], parts[1:]
    if base.isascii() and base.isalpha() and mark in ACCENTS:
        return f"\\{ACCENTS[mark]}{{{base}}}"
    return _greek(character) or f"\\texttt{{U+{ord(character):04X}}}"


def _greek(character: str) -> str:
    """`\\alpha` for α; empty for what LaTeX has no name for, capitals that look like Latin ones among it."""
    kind, _, name = unicodedata.name(character, "").lower().partition(" letter ")
    name = name.replace("lamda", "lambda")
    if kind == "greek small" and name in SMALL_GREEK:
        return f"$\\{name}$"
    return f"$\\{name.capitalize()}$" if kind == "greek capital" and name in CAPITAL_GREEK else ""
