"""From the phrase of a replacement to arms: which kind of the part it names, with which values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ablation.plan.catalogue import Kind, Number, Part
from ablation.plan.composite import sets_of
from ablation.plan.markdown.by_content import kind_by_content
from ablation.plan.markdown.numbers import Numbers, numbers_of
from ablation.plan.markdown.phrases import literally, matches, nearest, words

LETTERED = re.compile(r"^\(?(?:\d{1,2}|[a-zA-Z])[.)]\s+")
SHAPE = re.compile(r"\s*[(\[]\s*(?:\d*[A-Z]\w?\s*[x×*,]\s*)+\d*[A-Z]\w?\s*[)\]]")  # of a tensor: `(T x B x 2C)`
OUTSIDE_BRACKETS = r"(?![^(\[]*[)\]])"
ALTERNATIVES = re.compile(rf"\s*(?:[;|]|,(?!\d)|/(?!\s*\d)|\bor\b|\bvs\.?(?=\s))\s*{OUTSIDE_BRACKETS}", re.IGNORECASE)
EVERYTHING = re.compile(
    rf"\s*(?:[;|]|,(?!\d)|/(?!\s*\d)|\b(?:and|or)\b|\bvs\.?(?=\s))\s*{OUTSIDE_BRACKETS}", re.IGNORECASE
)
CONJUNCTION = re.compile(r"^(?:and|or|as well as)\s+", re.IGNORECASE)
EXPLAINED = re.compile(r"\s*(?::\s|\s[-–—]\s|—|\()\s*")
LONGEST = 500
CONTRAST = {"no", "but", "except", "different", "unless", "however", "only", "own"}


class Unclear(ValueError):
    """A phrase that has no meaning, or several. The text is one sentence with the candidates."""


class BadNumber(Unclear):
    """A phrase whose kind is known, and whose numbers are not."""


@dataclass(frozen=True)
class Choice:
    """An arm that a phrase asks for: its name and the spec of its part."""

    arm: str
    spec: dict[str, Any]


def choices(phrase: str, part: str, of_part: Part, strong: str = "") -> list[Choice]:
    """Return the arms of a replacement, which may list several on one line. Raises Unclear.

    `strong` is the bold text at the start of the phrase: the name of the replacement, which an explanation follows.
    """
    if same := _literal(phrase, of_part):
        return same
    text = SHAPE.sub("", LETTERED.sub("", phrase.strip())).strip(" .;,")
    if len(text) > LONGEST:
        raise Unclear(f"a replacement has at most {LONGEST} characters, got {len(text)}; shorten {text[:60]!r}...")
    errors: list[Unclear] = []
    for pieces in _ways(text):
        found, unclear = list[Choice](), list[Unclear]()
        for piece in pieces:
            try:
                found += _single(piece, part, of_part, strong if piece == text else "")
            except Unclear as error:
                unclear.append(error)
        if not unclear:
            return found
        errors += unclear if found or len(pieces) == 1 else []
    raise errors[0]


def _ways(text: str) -> Iterator[list[str]]:
    """Yield the ways to read a line: as alternatives, as one phrase, as a list with `and`."""
    alternatives, everything = _pieces(ALTERNATIVES, text), _pieces(EVERYTHING, text)
    if len(alternatives) > 1:
        yield alternatives
    yield [text]
    if len(everything) > len(alternatives):
        yield everything


def _pieces(separator: re.Pattern[str], text: str) -> list[str]:
    pieces = (CONJUNCTION.sub("", piece.strip()).strip(" .") for piece in separator.split(text))
    return [piece for piece in pieces if piece]


def _single(phrase: str, part: str, of_part: Part, strong: str) -> list[Choice]:
    """Return the arms of one phrase: as a whole, or its name without an explanation that has no numbers."""
    if same := _literal(phrase, of_part):
        return same
    try:
        return _named(phrase, part, of_part)
    except BadNumber:
        raise
    except Unclear as whole:
        head, tail = (strong, phrase[len(strong) :]) if strong else _explained(phrase)
        if not tail.strip(" .:"):
            raise
        try:
            found = _named(head.strip(" :"), part, of_part)
        except Unclear:
            raise whole from None
        others = set().union(*(words(each) for said in names_of(of_part).values() for each in said))
        own = set().union(*map(words, names_of(of_part)[found[0].spec["kind"]]), *map(words, of_part.phrases))
        kind = found[0].spec["kind"]
        if re.search(r"\d", tail) and not _settings(of_part.kinds[kind]):
            raise _takes_no_number(phrase, of_part.kinds[kind], kind) from None
        if re.search(r"\d", tail) or words(tail) & (CONTRAST | (others - own)):
            name, rest = head.strip(" :"), tail.strip(" :()–—-")
            raise Unclear(
                f"{rest!r} after {name!r} is not understood; write a value as `{name} (0.5)`, or only the name"
            ) from None
        return found


def _literal(phrase: str, of_part: Part) -> list[Choice]:
    """Return the arm of a kind that has a phrase letter for letter, with numbers too: `16`, or `[0.1, 0.5]`."""
    same = literally(phrase, {name: kind.phrases for name, kind in of_part.kinds.items()})
    return [_choice(of_part.kinds[same[0]], same[0], {})] if len(same) == 1 else []


def _explained(phrase: str) -> tuple[str, str]:
    head, *tail = EXPLAINED.split(phrase, maxsplit=1)
    return head, " ".join(tail)


def _named(phrase: str, part: str, of_part: Part) -> list[Choice]:
    """Return the arms of a phrase all of whose words and numbers are understood."""
    settings = {name for kind in of_part.kinds.values() for name in _settings(kind)}
    try:
        read = numbers_of(phrase, settings)
    except ValueError as error:
        raise BadNumber(f"{phrase!r} has {error}") from error
    kind = _kind(read.phrase if words(read.phrase) else phrase, phrase, part, of_part)
    return [_choice(of_part.kinds[kind], kind, values) for values in _values(read, of_part.kinds[kind], kind, phrase)]


def _kind(read: str, phrase: str, part: str, of_part: Part) -> str:
    known = names_of(of_part)
    of_phrases = set().union(*map(words, of_part.phrases))
    others = {
        name: set().union(*(words(each) for other in known if other != name for each in known[other])) for name in known
    }
    found = matches(read, known, {name: of_phrases - others[name] for name in known})
    found = found or kind_by_content(read, known, of_part)
    if len(found) == 1:
        return found[0]
    if found:
        raise Unclear(f"{phrase!r} could be more than one kind of {part}: {', '.join(found)}; write the name itself")
    raise Unclear(
        f"no kind of {part} is called {phrase!r}; the nearest are {nearest(read, known)}. Known: {', '.join(known)}"
    )


def names_of(part: Part) -> dict[str, tuple[str, ...]]:
    """Return the phrases of every kind of a part, with its name and the name of its arm."""
    return {name: (name, kind.arm, *kind.phrases) for name, kind in part.kinds.items()}


def _settings(kind: Kind) -> Mapping[str, Number]:
    return getattr(kind, "numbers", {})  # a catalogue may have kinds without any


def _takes_no_number(phrase: str, kind: Kind, name: str) -> BadNumber:
    sections = f", or write a section for {' or '.join(sets_of(kind))} with it" if sets_of(kind) else ""
    return BadNumber(f"{phrase!r} has a number that no settings of the kind {name} take; leave it out{sections}")


def _values(read: Numbers, kind: Kind, name: str, phrase: str) -> list[dict[str, float]]:
    """Return the values of the kind's settings for every arm: a number without a name belongs to the one setting that takes it."""
    settings = _settings(kind)
    if not settings and (read.named or read.unnamed):
        raise _takes_no_number(phrase, kind, name)
    for key, value in read.named.items():
        if key not in settings:
            takes = ", ".join(settings)
            raise BadNumber(f"{phrase!r} gives {key}, and the kind {name} takes {takes}; correct it")
        if not _takes(settings[key], value):
            raise BadNumber(f"{phrase!r} gives {key} {value:g}, and {key} is {_range(settings[key])}; correct it")
    if not read.unnamed:
        return [read.named]
    free = [key for key in settings if key not in read.named and all(_takes(settings[key], n) for n in read.unnamed)]
    if len(free) != 1 and (each := _each_its_own(read, settings)):
        return [{**read.named, **each}]
    if len(free) != 1:
        limits = "; ".join(f"{key} is {_range(number)}" for key, number in settings.items())
        said = f"write which one is meant, as `({free[0]} {read.unnamed[0]:g})`" if free else "correct it"
        raise BadNumber(
            f"{phrase!r} has a number that {len(free) or 'no'} settings of the kind {name} take ({limits or 'none'}); {said}"
        )
    return [{**read.named, free[0]: value} for value in dict.fromkeys(read.unnamed)]


def _each_its_own(read: Numbers, settings: Mapping[str, Number]) -> dict[str, float]:
    """Return the settings of numbers of which each can only be one, and another one than the others: a rate and a length."""
    free = {n: [key for key in settings if key not in read.named and _takes(settings[key], n)] for n in read.unnamed}
    found = {keys[0]: n for n, keys in free.items() if len(keys) == 1}
    return found if len(found) == len(read.unnamed) else {}


def _takes(number: Number, value: float) -> bool:
    return number.least <= value <= number.most and (not number.whole or value == int(value))


def _range(number: Number) -> str:
    return f"{'a whole number' if number.whole else 'a number'} from {number.least:g} to {number.most:g}"


def _choice(kind: Kind, name: str, values: Mapping[str, float]) -> Choice:
    settings = _settings(kind)
    spec = {key: int(value) if settings[key].whole else value for key, value in values.items()}
    only = len(settings) == 1
    shown = [f"{value:g}" if only else f"{key.replace('_', '-')}-{value:g}" for key, value in values.items()]
    return Choice("-".join([kind.arm, *shown]), {"kind": name, **spec})
