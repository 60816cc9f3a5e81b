"""From the phrase of an ablated part to the part: by its own words, or by the replacements that only one part has."""

from collections.abc import Iterable

from ablation.plan.catalogue import Part
from ablation.plan.composite import parts_of
from ablation.plan.markdown.blocks import Line
from ablation.plan.markdown.by_content import by_content, removed_by_content
from ablation.plan.markdown.kinds import BadNumber, Unclear, choices, names_of
from ablation.plan.markdown.phrases import ADDED, literally, matches, nearest, words
from ablation.plan.markdown.vocabulary import Parts, foreign


def find_part(phrase: str, replacements: Iterable[Line], parts: Parts) -> str:
    """Return the part that a phrase means. Raises Unclear with the candidates.

    If the phrase is not the part's own, or fits several parts, the only candidate is taken of whose kinds all replacements are.
    Without replacements the phrase alone decides.
    """
    lines, known = list(replacements), {name: (name, *part.phrases) for name, part in parts.items()}
    same, own = (_taking(lines, names, parts) for names in (literally(phrase, known), matches(phrase, known)))
    if len(same) == 1:
        return same[0]
    near = _near(phrase, parts)
    if len(own) == 1 and (lines or not _names_a_property(phrase, parts[own[0]])):
        return own[0]
    is_kind = any(matches(phrase, names_of(part)) for part in parts.values())
    stated = [] if own or is_kind else by_content(phrase, parts)
    if len(stated) == 1 and (not lines or any(_has(parts[stated[0]], stated[0], line) for line in lines)):
        return stated[0]
    if not lines:
        raise _unclear(phrase, own or stated or near, parts)
    for candidates in (
        own,
        stated,
        _of_its_group(phrase, near, parts),
        _of_its_group(phrase, _related(phrase, parts), parts),
    ):
        fitting = [name for name in candidates if all(_has(parts[name], name, line) for line in lines)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise _unclear(phrase, fitting, parts)
    related = own or stated or near or _related(phrase, parts)
    unknown = [line.text for line in lines if not any(_has(parts[name], name, line) for name in related)]
    if len(related) == 1 and (wrong := _wrong_numbers(lines, related[0], parts)):
        raise Unclear(wrong)
    if related and unknown:
        kinds = "; ".join(f"{name}: {', '.join(parts[name].kinds)}" for name in related)
        raise Unclear(
            f"{phrase!r} may be {' or '.join(related)}, without a kind called {' or '.join(unknown)}. Known: {kinds}"
        )
    raise _unclear(phrase, own or near, parts)


def _taking(lines: list[Line], names: list[str], parts: Parts) -> list[str]:
    """Return the names without a composite part that lacks a replacement, which may be a kind of a part that it stands for."""
    return [name for name in names if not parts_of(parts[name]) or all(_has(parts[name], name, line) for line in lines)]


def removed_kind(phrase: str, parts: Parts) -> tuple[str, str] | None:
    """Return part and kind that `no X` names, if X is the phrase and its words are exactly these. Raises Unclear for several."""
    found = (words(phrase) - ADDED) | {"no"}
    pairs = [
        (part, kind)
        for part, of_part in parts.items()
        for kind, phrases in names_of(of_part).items()
        if len(found) > 1 and any(words(each) == found for each in phrases)
    ]
    pairs = pairs or removed_by_content(phrase, parts)
    if len(pairs) > 1:
        raise Unclear(
            f"without {phrase!r} could mean {' or '.join(f'{part}: {kind}' for part, kind in pairs)}; use REPLACE"
        )
    return pairs[0] if pairs else None


def _near(phrase: str, parts: Parts) -> list[str]:
    """Return the parts one of whose phrases, or of those of its first kind, is inside the given one or around it."""
    found = words(phrase)
    inside = found - ADDED or found
    return [
        name
        for name, part in parts.items()
        if any(form <= found or inside <= form for form in _forms(part, name) if form)
    ]


def _forms(part: Part, name: str) -> list[frozenset[str]]:
    first = next(iter(part.kinds.values()))
    return [words(each) for each in (name, *part.phrases, *first.phrases)]


def _names_a_property(phrase: str, part: Part) -> bool:
    """Return True if a phrase adds a word to the part's own that distinguishes its kinds: the rate of the masking."""
    inside = [words(each) for each in part.phrases if words(each) <= words(phrase)]
    left = min((words(phrase) - form for form in inside), key=len, default=frozenset[str]())
    return bool(left & set().union(*(words(each) for said in names_of(part).values() for each in said)))


def _related(phrase: str, parts: Parts) -> list[str]:
    """Return the parts that have a content word of the phrase anywhere in their phrases."""
    found = words(phrase) - ADDED
    said = {
        name: [name, *part.phrases, *(each for kind in names_of(part).values() for each in kind)]
        for name, part in parts.items()
    }
    return [name for name, phrases in said.items() if found & set().union(*map(words, phrases))]


def _of_its_group(phrase: str, names: list[str], parts: Parts) -> list[str]:
    """Return the names of parts whose group, such as `fusion`, has all words of a phrase that are not general."""

    def group(name: str) -> str:
        return name.partition(".")[0]

    return [
        name
        for name in names
        if not foreign(phrase, {each: part for each, part in parts.items() if group(each) == group(name)})
    ]


def _has(part: Part, name: str, line: Line) -> bool:
    try:
        return bool(choices(line.text, name, part, line.strong))
    except Unclear:
        return False


def _wrong_numbers(lines: list[Line], name: str, parts: Parts) -> str:
    """Return the first sentence on a replacement that is a kind of the part except for its numbers, or an empty text."""
    for line in lines:
        try:
            choices(line.text, name, parts[name], line.strong)
        except BadNumber as error:
            return str(error)
        except Unclear:
            continue
    return ""


def _unclear(phrase: str, candidates: list[str], parts: Parts) -> Unclear:
    if len(candidates) > 1:
        return Unclear(f"{phrase!r} could be more than one part: {', '.join(candidates)}; write the name itself")
    kinds = [f"{name}: {kind}" for name, part in parts.items() for kind in matches(phrase, names_of(part))]
    if kinds:
        return Unclear(
            f"{phrase!r} is not a part but a kind ({' or '.join(kinds)}); write the name of the part, and REPLACE"
        )
    known = {name: (name, *part.phrases) for name, part in parts.items()}
    return Unclear(f"no part is called {phrase!r}; the nearest are {nearest(phrase, known)}. Known: {', '.join(parts)}")
