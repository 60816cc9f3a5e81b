"""Prose next to ablations that names a part as if it were an ablation: a title without fields, an item with an action."""

import re
from collections.abc import Mapping

from ablation.plan.catalogue import Part
from ablation.plan.markdown.ablations import ACTION_OF
from ablation.plan.markdown.document import GENERIC, Document
from ablation.plan.markdown.phrases import matches
from ablation.plan.markdown.problems import Problems
from ablation.plan.markdown.sections import ABLATION


def check_leftovers(document: Document, parts: Mapping[str, Part], problems: Problems) -> None:
    """Report titles of the level of ablations that name a part, and items that change a part, after the first ablation."""
    if not document.ablations:
        return
    levels, first = {section.level for section in document.ablations}, document.ablations[0].number
    for section in document.prose:
        is_sibling = section.level in levels and not ABLATION.search(section.title)  # `document` reports the others
        if is_sibling and (part := _part(section.title, parts)):
            problems.add(
                section.number, f"{section.title!r} names {part} and has no fields; write them, or another title"
            )
        for line in section.prose:
            acts = any(word in ACTION_OF for word in _words(line.text))
            if (
                line.item
                and acts
                and line.number > first
                and ABLATION.search(section.title)
                and _part(line.text, parts)
            ):
                problems.add(line.number, f"{line.text!r} looks like an ablation; write it as a section with fields")


def _part(text: str, parts: Mapping[str, Part]) -> str:
    """Return the part that a text names besides actions and general words, or an empty text."""
    left = " ".join(word for word in _words(text) if word not in ACTION_OF and word not in GENERIC)
    found = matches(left, {name: (name, *part.phrases) for name, part in parts.items()}) if left else []
    return " or ".join(found)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
