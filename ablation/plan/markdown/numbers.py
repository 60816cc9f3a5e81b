"""Numbers in phrases: `static scaling factor (0.5)`, `uniform masking (rate 0.15, length 4)`."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from ablation.plan.markdown.phrases import in_order

NUMBER = r"(?<![\w.])[-+−]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\w.]*\w)"
PERCENT = r"\s*(?P<percent>%|percent\b)?"
RANGE = re.compile(rf"{NUMBER}\s*%?\s*(?:-|–|—|\.\.+|…|\bto\b|\bthrough\b|\band up\b)\s*[-+]?[\d.]", re.IGNORECASE)
COMMA = re.compile(r"(?<![\d.])\d+,\d+(?![\d.])")
FRACTION = re.compile(r"\d\s*/\s*\d")
BRACKET = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")
TAIL = re.compile(r"\s*(?::\s|\s[-–—]\s|[–—]|=|,|\bwith\b)\s*(?=.*\d)", re.IGNORECASE)

WORDS = {word: str(number) for number, word in enumerate("two three four five six seven eight nine ten".split(), 2)}  # noqa: SIM905
NAMED_IN_WORDS = re.compile(rf"\b(?P<name>[a-z]+) (?P<number>{'|'.join(WORDS)}|\d+)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Numbers:
    """The words of a phrase without its numbers; the numbers with a name before them, and those without."""

    phrase: str
    named: dict[str, float]
    unnamed: list[float]


def numbers_of(phrase: str, known: Collection[str]) -> Numbers:
    """Return the numbers of a phrase. `known` are the names of the settings that numbers may have.

    In brackets, and behind a colon, a dash, a comma or `with`, a name is not a word of the phrase; elsewhere it is both.
    Raises ValueError for a range, a fraction, a decimal comma and for a name with two numbers.
    """
    if RANGE.search(phrase):
        raise ValueError("a range of numbers; list the values")
    if FRACTION.search(phrase):
        raise ValueError("a fraction; write it as 0.5, or with a comma between two numbers")
    if COMMA.search(phrase):
        raise ValueError("a comma between digits; write a point, as 0.5, or a space between two numbers, as 1, 2")
    head, tails = _split(_with_digits(phrase, known))
    pattern = "|".join(sorted((re.escape(name).replace("_", r"[\s_-]") for name in known), key=len, reverse=True))
    named: dict[str, float] = {}
    unnamed: list[float] = []
    kept = [_take(head, pattern, named, unnamed, keep_names=True)]
    kept += [_take(tail, pattern, named, unnamed, keep_names=False) for tail in tails]
    return Numbers(" ".join(kept), named, unnamed)


def _with_digits(phrase: str, known: Collection[str]) -> str:
    """Return a phrase with `the final two layers` as `the last 2 layers`, if `last` is a setting that numbers may have."""

    def digit(match: re.Match[str]) -> str:
        name = " ".join(in_order(match["name"]))
        number = WORDS.get(match["number"].lower(), match["number"])
        return f"{name} {number}" if name in known else match[0]

    return NAMED_IN_WORDS.sub(digit, phrase)


def _split(phrase: str) -> tuple[str, list[str]]:
    """Return the phrase without its brackets up to its tail, and the brackets and the tail."""
    tails = [inside for pair in BRACKET.findall(phrase) for inside in pair if inside]
    rest = BRACKET.sub(" ", phrase)
    head, *tail = TAIL.split(rest, maxsplit=1)
    return head, [*tails, *tail]


def _take(text: str, pattern: str, named: dict[str, float], unnamed: list[float], *, keep_names: bool) -> str:
    """Take the numbers out of a text, and their names unless these are kept."""
    name = rf"(?:\b(?P<name>{pattern})s?\s*(?:\bof\b|\bis\b|\bto\b|=|:)?\s*)?" if pattern else "(?P<name>)"

    def take(match: re.Match[str]) -> str:
        value = float(match["value"].replace("−", "-")) / (100 if match["percent"] else 1)
        if not match["name"]:
            unnamed.append(value)
            return " "
        key = re.sub(r"[\s-]", "_", match["name"].lower())
        if key in named:
            raise ValueError(f"two numbers for {key}; give one, and a replacement for each")
        named[key] = value
        return f" {match['name']} " if keep_names else " "

    return re.sub(rf"{name}(?P<value>{NUMBER}){PERCENT}", take, text, flags=re.IGNORECASE)
