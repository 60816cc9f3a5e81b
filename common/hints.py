"""Suggestions for mistyped names: 'did you mean ...?'."""

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `: did you mean 'x'? Known: x, y, z`, which continues the text `unknown thing 'w'`.

    A name whose last dotted step is the word counts as near: `scale` means `fusion.scale`.
    """
    names = list(known)
    return f"{_question(word, names)}Known: {', '.join(names)}"


def did_you_mean_setting(key: str, parts: Iterable[str], settings: Iterable[str]) -> str:
    """Return what `did_you_mean` does, for the key of a part or setting.

    It lists the parts and settings of the key's group; if there is no such group, all parts and the groups of settings, e.g.
    `training.*`.
    """
    of_parts, of_settings, group = list(parts), list(settings), _group(key)
    beside = [name for name in [*of_parts, *of_settings] if group and _group(name) == group]
    groups = dict.fromkeys(f"{_group(name)}.*" if _group(name) else name for name in of_settings)
    return f"{_question(key, [*of_parts, *of_settings])}Known: {', '.join(beside or [*of_parts, *groups])}"


def _group(name: str) -> str:
    return name.rpartition(".")[0]


def _question(word: str, names: list[str]) -> str:
    lower = {name.lower(): name for name in names}
    steps = [name for name in names if word.lower() == name.lower().rpartition(".")[2]]
    near = steps or [lower[match] for match in get_close_matches(word.lower(), list(lower), n=1)]
    return f": did you mean {near[0]!r}? " if near else ". "


def nearest(phrase: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the `count` names that are most similar to a phrase, the best one first, even if none is similar."""
    return sorted(known, key=lambda name: -SequenceMatcher(None, phrase.lower(), name.lower()).ratio())[:count]
