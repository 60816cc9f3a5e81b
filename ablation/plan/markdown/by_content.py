"""Long phrases with an explanation: matched by their content words against names, phrases and descriptions of a catalogue."""

import re
from collections.abc import Iterator, Mapping
from math import log

from ablation.plan.catalogue import Part
from ablation.plan.markdown.vocabulary import GENERAL_STEMS, Parts, foreign, stems

EXPLANATION = re.compile(
    r"[,;:()\[\]]|\s[-–—]\s|—|\b(?:in|within|inside|at|before|after|between|where|which|that|when|while|during|from|into|onto|to|"
    r"across|over|under|used|using|applied|placed|located|inserted|via|through|by|with)\b",
    re.IGNORECASE,
)
BRACKET = re.compile(r"\(([^()]*)\)")
LEAST_LEAD = 1.2  # of the best form over the second


def by_content(phrase: str, parts: Parts) -> list[str]:
    """Return the part that a phrase names in front of its explanation; several where none is clearly best, none where none fits.

    A part fits if one of its names or phrases stands in front of the explanation, or in brackets, with no other words than those
    of its other phrases and its description, and general ones: words of its kinds would narrow it down. The explanation may have
    no word that is foreign to the catalogue.
    """
    if foreign(phrase, parts):
        return []
    found = {name: form for name, part in parts.items() if (form := _best_form(phrase, part, name, parts))}
    weights = {name: _weight(form, parts) for name, form in found.items()}
    ranked = sorted(weights, key=lambda name: -weights[name])
    if not ranked:
        return []
    best = ranked[0]
    return [
        name
        for name in ranked
        if name == best or (weights[best] < LEAST_LEAD * weights[name] and not found[name] < found[best])
    ]


def removed_by_content(phrase: str, parts: Parts) -> list[tuple[str, str]]:
    """Return the parts and kinds that `no X` names, where X is what stands in front of the explanation."""
    head = stems(_head(phrase))
    if foreign(phrase, parts) or not head:
        return []
    return [
        (name, kind)
        for name, part in parts.items()
        for kind, each in part.kinds.items()
        if any(_is_without(head, said) for said in (*each.phrases, each.arm))
    ]


def _is_without(head: frozenset[str], said: str) -> bool:
    """Return True if `said` is `no X`, and the head is X and general words, with two words that are not general at least."""
    form = stems(said)
    rest = form - {"no"}
    return "no" in form and len(rest) > 1 and rest <= head and head - rest <= GENERAL_STEMS


def _head(phrase: str) -> str:
    return EXPLANATION.split(phrase, maxsplit=1)[0]


def _best_form(phrase: str, part: Part, name: str, parts: Parts) -> frozenset[str]:
    """Return the weightiest form of a part that a phrase states, or nothing."""
    own = GENERAL_STEMS.union(stems(part.description), *_forms(part, name))
    pieces = [piece for piece in (_head(phrase), *BRACKET.findall(phrase)) if stems(piece)]
    if not pieces or not stems(pieces[0]) <= own:
        return frozenset()
    stated = [form for piece in pieces if stems(piece) <= own for form in _forms(part, name) if form <= stems(piece)]
    return max(stated, key=lambda form: _weight(form, parts), default=frozenset())


def _forms(part: Part, name: str) -> Iterator[frozenset[str]]:
    """Yield the stems of the part's names, and of those phrases of its first kind that have two words that are not general."""
    first = next(iter(part.kinds.values()))
    yield from (form for each in (name, *part.phrases) if (form := stems(each)) - GENERAL_STEMS)
    yield from (form for each in first.phrases if len((form := stems(each)) - GENERAL_STEMS) > 1)


def _weight(form: frozenset[str], parts: Parts) -> float:
    """Return the weight of a form: words that few parts have weigh more."""
    having = {word: sum(word in each for each in _named(parts)) for word in form}
    return sum(
        log(1 + len(parts) / max(1, count)) * (0.5 if word in GENERAL_STEMS else 1) for word, count in having.items()
    )


def _named(parts: Parts) -> list[frozenset[str]]:
    return [frozenset().union(*_forms(part, name)) for name, part in parts.items()]


def kind_by_content(phrase: str, known: Mapping[str, tuple[str, ...]], part: Part) -> list[str]:
    """Return the kinds that a replacement names with general words and words of its part around one of their phrases.

    `known` holds the phrases of every kind. Words of another kind are never left over.
    """
    found, scores = stems(phrase), dict[str, int]()
    around = GENERAL_STEMS.union(*map(stems, part.phrases))
    for name, said in known.items():
        own = frozenset[str]().union(*map(stems, said))
        others = frozenset[str]().union(*(stems(each) for other in known if other != name for each in known[other]))
        forms = [form for each in said if (form := stems(each)) - GENERAL_STEMS]
        free = (around - others | own) - {"no"}
        fitting = [len(form) for form in forms if form <= found and found - form <= free]
        if fitting:
            scores[name] = max(fitting)
    return [name for name, score in scores.items() if score == max(scores.values())]
