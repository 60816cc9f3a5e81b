"""Normalisation of texts: the form in which references and hypotheses are compared, and the form in which corpora are stored.

`VERSION` is part of the fingerprints of error counts and of every study: raise it when a text can get another form.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping

import regex

from common.errors import UserError

VERSION = 2  # 1: NFKC and lower case; every character that is not a letter or a digit, marks too, became a space
FIRST_VERSION = 1  # of studies that do not record it
BASIC, NONE = "basic", "none"

# Quotes, accents, primes and modifier letters that people type as an apostrophe.
APOSTROPHES = (
    "`\u00b4\u02b9\u02bb\u02bc\u02bd\u02ca\u02cb\u055a\u05f3\u07f4\u07f5\u1fbd\u1fbf\u1fef\u1ffd"
    "\u2018\u2019\u201b\u2032\u2035\ua78b\ua78c\uff07\uff40"
)
_APOSTROPHES = str.maketrans(dict.fromkeys(APOSTROPHES, "'"))
_SIGNS = str.maketrans(dict.fromkeys("\u2122\u2120", " "))  # NFKC would make letters of TM and SM
_INVISIBLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Cf}]+")
# Enclosing marks, as of keycaps, and the stroke that stretches Arabic words.
_UNSPOKEN = regex.compile(r"[\p{Me}\u0640]+")
_DOT_OF_I = regex.compile(r"(?<=i[\p{M}--\u0307]*)\u0307", regex.V1)  # what lower case leaves of the capital dotted I
_INSIDE = regex.compile(r"(?<=\p{L}\p{M}*)[\u00b7\u2027](?=\p{L})|(?<=\p{Hebrew}\p{M}*)[\u05f4\"](?=\p{Hebrew})")
_SARA_AM = regex.compile("(?:\u0e4d([\u0e48-\u0e4b]?)\u0e32|\u0ecd([\u0ec8-\u0ecb]?)\u0eb2)")  # taken apart by NFKC
_ACRONYM = regex.compile(r"(?<![\p{L}\p{M}\p{N}.'])\p{L}\p{M}*(?:\.\p{L}\p{M}*)+(?![\p{L}\p{M}\p{N}])")
_THOUSANDS = regex.compile(r"(?<![\p{N}.,])\p{Nd}{1,3}(?:[,\u066c]\p{Nd}{2,3})*[,\u066c]\p{Nd}{3}(?!\p{Nd})")
_WORD = regex.compile(r"[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}]|'+(?=[\p{L}\p{N}]))*")
_ASCII_WORD = re.compile(r"[a-z0-9]+(?:'+[a-z0-9]+)*")
_APOSTROPHE_IN_WORD = regex.compile(rf"(?<=[\p{{L}}\p{{N}}]\p{{M}}*)[{APOSTROPHES}](?=[\p{{L}}\p{{N}}])")


def normalise(text: str) -> str:
    """Return a text as `basic` compares it: words of letters, their marks, digits and inner apostrophes, single spaces.

    Characters are in the form NFKC and folded, so that case does not count. See docs/statistics.md for all rules.
    """
    plain = text.lower().replace("`", "'") if text.isascii() else _spoken(text)
    if "." in plain:
        plain = _ACRONYM.sub(lambda found: found[0].replace(".", ""), plain)
    if "," in plain or "\u066c" in plain:
        plain = _THOUSANDS.sub(lambda found: found[0].replace(",", "").replace("\u066c", ""), plain)
    words = _ASCII_WORD if plain.isascii() else _WORD  # the same words, in a tenth of the time
    return re.sub("'+", "'", " ".join(words.findall(plain)))


def single_spaces(text: str) -> str:
    """Return a text as `none` compares it: as it is, but with one space between words."""
    return " ".join(text.split())


def _first(text: str) -> str:
    """Version 1 of `basic`, for the words of studies that were scored with it."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    words = re.sub(r"[^\w']|_", " ", plain).split()
    return " ".join(filter(None, (word.strip("'") for word in words)))


NORMALISERS: Mapping[str, Callable[[str], str]] = {BASIC: normalise, NONE: single_spaces}


def normaliser(name: str, version: int = VERSION) -> Callable[[str], str]:
    """Return the normalisation of a plan or of an earlier study. Raises UserError for one of a later version."""
    if name not in NORMALISERS or version > VERSION:
        raise UserError(
            f"texts are normalised by {' or '.join(NORMALISERS)}, up to version {VERSION}, and this study used {name!r} of "
            f"version {version}: read it with the version of ablate that wrote it"
        )
    return _first if (name, version) == (BASIC, FIRST_VERSION) else NORMALISERS[name]


def written(text: str) -> str:
    """Return a transcript as a corpus stores it: lower case, NFC, single spaces, one kind of apostrophe, nothing invisible.

    Punctuation stays. A text in ASCII changes in its case and its spaces only.
    """
    if text.isascii():
        return single_spaces(text.lower())
    seen = unicodedata.normalize("NFD", _INVISIBLE.sub("", text).lower())
    plain = unicodedata.normalize("NFC", _DOT_OF_I.sub("", seen))
    return single_spaces(_APOSTROPHE_IN_WORD.sub("'", plain))


def graphemes(text: str) -> list[str]:
    """Return the user-perceived characters of a text: the extended grapheme clusters of Unicode (UAX 29)."""
    return list(text) if text.isascii() else regex.findall(r"\X", text)


def _joined_am(found: regex.Match[str]) -> str:
    """Return the Thai or Lao vowel am after the tone that belongs to the same letter."""
    return f"{found[1]}\u0e33" if found[1] is not None else f"{found[2]}\u0eb3"


def _spoken(text: str) -> str:
    """Return a text in folded NFKC, without invisible characters and with one apostrophe."""
    plain = _folded(_INVISIBLE.sub("", text.translate(_APOSTROPHES).translate(_SIGNS)))
    plain = _INVISIBLE.sub("", _UNSPOKEN.sub("", plain)).translate(_APOSTROPHES)
    return _INSIDE.sub("", _SARA_AM.sub(_joined_am, plain))


def _folded(text: str) -> str:
    """Return a text in NFKC without differences of case. A dotted capital I becomes an i without a further mark."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFKC", _DOT_OF_I.sub("", folded))
