"""Suggestions for mistyped names: 'did you mean ...?'."""

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `: did you mean 'x'? Known: x, y, z`, which continues the text `unknown thing 'w'`.

    A name whose last dotted step is the word counts as near: `scale` means `fusion.scale`.
    """
    names = list(known)
    lower = {name.lower(): name for name in names}
    steps = [name for name in names if word.lower() == name.lower().rpartition(".")[2]]
    near = steps or [lower[match] for match in get_close_matches(word.lower(), list(lower), n=1)]
    question = f": did you mean {near[0]!r}? " if near else ". "
    return f"{question}Known: {', '.join(names)}"


def nearest(phrase: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the `count` names that are most similar to a phrase, the best one first, even if none is similar."""
    return sorted(known, key=lambda name: -SequenceMatcher(None, phrase.lower(), name.lower()).ratio())[:count]
