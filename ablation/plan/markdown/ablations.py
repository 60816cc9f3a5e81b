"""From a section with fields to an ablation in the form of a YAML plan."""

import re
from typing import Any

from ablation.plan.catalogue import Catalogue
from ablation.plan.markdown.blocks import Line
from ablation.plan.markdown.document import sendable
from ablation.plan.markdown.kinds import Choice, Unclear, choices
from ablation.plan.markdown.names import ACTION, PART, REPLACEMENT, WHY
from ablation.plan.markdown.parts import find_part, removed_kind
from ablation.plan.markdown.phrases import ADDED, words
from ablation.plan.markdown.problems import Problems
from ablation.plan.markdown.sections import Section
from ablation.plan.readings import Reading, read_as

ACTIONS = {
    "replace": "replace replaced replacement replacing substitute substitution modify modified modification change "
    "changed vary varied variation alter altered exchange switch switched adjust",
    "remove": "remove removed removal removing delete deleted deletion drop dropped disable disabled exclude excluded eliminate "
    "eliminated omit omitted ablate ablated",
    "add": "add added adding addition insert inserted introduce introduced include included",
}
ACTION_OF = {form: action for action, forms in ACTIONS.items() for form in forms.split()}
NOTHING = re.compile(
    r"\W*(?:n\W?/?\W?a|none|null|nil|nothing|not applicable|not needed|no replacement|empty|tbd)?\W*(?:[(–—-][^\d]*)?",
    re.IGNORECASE,
)
WITH = re.compile(r"\b(?:with|by)\b(.*)$", re.IGNORECASE)


def ablation_of(
    section: Section, catalogue: Catalogue, problems: Problems, readings: list[Reading]
) -> dict[str, Any] | None:
    """Return part, action, why and replacements of a section, or None if anything of it is not understood.

    Appends to `readings` as what the phrases were read.
    """
    part, actions = _one(section, PART, problems), actions_of(section, problems)
    lines = replacements_of(section, actions)
    if part is None or not actions:
        return None
    if not lines and actions not in (["remove"], ["add"]):
        place, action = section.places[ACTION], actions[0].upper()
        problems.add(place, f"{_title(section)} has no field `- **Replacement**: ...`, which {action} needs")
        return None
    try:
        name, arms = _part(part, lines, actions, catalogue)
    except Unclear as error:
        problems.add(part.number, str(error))
        return None
    before, arms = len(problems.found), dict(arms)
    read = [_reading(part, name, list(arms.values()))]
    said = dict.fromkeys(arms, "")
    for line in lines:
        if found := _add(line, name, catalogue, arms, said, problems):
            read.append(_reading(line, name, found))
    if actions == ["remove"] and any(said.values()):
        problems.add(
            lines[0].number, f"REMOVE takes no replacement, got {lines[0].text!r}; leave it out, or write REPLACE"
        )
    _check_prose(section, name, catalogue, problems)
    if len(problems.found) > before:
        return None
    readings += read
    kept = {choice.arm: choice.spec for choice in arms.values()}
    if actions == ["remove"] and list(kept.values()) == [{"kind": "none"}]:
        return {"part": name, "action": "remove", "why": why_of(section), "replacements": {}}
    action = "add" if actions == ["add"] else "replace"
    return {"part": name, "action": action, "why": why_of(section), "replacements": kept}


def _one(section: Section, field: str, problems: Problems) -> Line | None:
    """Return the only line of a field; a field without one, or with several, is a problem."""
    lines = section.fields.get(field, [])
    if len(lines) != 1:
        place = section.places.get(field, section.number)
        problems.add(place, f"{_title(section)} needs one field `- **{field.title()}**: ...`, got {len(lines)}")
        return None
    return lines[0]


def _title(section: Section) -> str:
    return repr(section.title or "the plan")


def actions_of(section: Section, problems: Problems) -> list[str]:
    """Return the actions that a section states, usually one."""
    line = _one(section, ACTION, problems)
    if line is None:
        return []
    head = WITH.sub("", line.text)
    said = re.findall(r"[a-z]+", head.lower())
    found = list(dict.fromkeys(ACTION_OF[word] for word in said if word in ACTION_OF))
    of_part = set().union(*(words(each.text) for each in section.fields.get(PART, [])))
    unknown = [
        word for word in said if word not in ACTION_OF and words(word) - ADDED - of_part - {"completely", "entirely"}
    ]
    if not found or unknown or re.search(r"\d", head):
        what = " ".join(each.text for each in section.fields.get(PART, [])) or _title(section)
        problems.add(line.number, f"unknown action of {what} {line.text!r}. Known: REPLACE, REMOVE, ADD")
        return []
    return found


def replacements_of(section: Section, actions: list[str]) -> list[Line]:
    """Return the lines with replacements. The words after `REPLACE with` are one, if the section has no others."""
    lines = [line for line in section.fields.get(REPLACEMENT, []) if not _is_nothing(line.text, actions)]
    said = [(line, WITH.search(line.text)) for line in section.fields.get(ACTION, [])]
    if not lines and "replace" in actions:
        return [Line(line.number, match[1].strip()) for line, match in said if match]
    return lines


def _is_nothing(text: str, actions: list[str]) -> bool:
    """Return True for an empty replacement. `None` is one only for what is removed; for others it is the kind `none`."""
    if not NOTHING.fullmatch(text) or ("remove" not in actions and text.strip().startswith(("(", "["))):
        return False
    return "remove" in actions or "none" not in text.lower()


def _part(part: Line, lines: list[Line], actions: list[str], catalogue: Catalogue) -> tuple[str, dict[str, Choice]]:
    """Return the name of the part, and the arm without it if it is removed, by the phrase that asks for it."""
    if "remove" not in actions:
        name = find_part(part.text, lines, catalogue.parts)
        return name, {} if lines else _added(part.text, name, catalogue)
    pair = removed_kind(part.text, catalogue.parts)
    name, kind = pair or (find_part(part.text, lines, catalogue.parts), "none")
    kinds = catalogue.parts[name].kinds
    if kind not in kinds:
        raise Unclear(
            f"{part.text!r} is {name}, which cannot be removed; use REPLACE with one of its kinds: {', '.join(kinds)}"
        )
    return name, {part.text: Choice(kinds[kind].arm, {"kind": kind})}


def _added(phrase: str, part: str, catalogue: Catalogue) -> dict[str, Choice]:
    """Return the arm of ADD without a replacement: the first kind of the part that is not `none`."""
    kinds = catalogue.parts[part].kinds
    name = next((each for each in kinds if each != "none"), None)
    if name is None or "none" not in kinds:
        raise Unclear(
            f"{phrase!r} is {part}, which cannot be added; use REPLACE with one of its kinds: {', '.join(kinds)}"
        )
    return {phrase: Choice(kinds[name].arm, {"kind": name})}


def _add(
    line: Line, part: str, catalogue: Catalogue, arms: dict[str, Choice], said: dict[str, str], problems: Problems
) -> list[Choice]:
    """Add the arms of one line to those of its ablation, and return them.

    An arm that is there already is a problem, unless it was only removed.
    """
    try:
        found = choices(line.text, part, catalogue.parts[part], line.strong)
    except Unclear as error:
        problems.add(line.number, str(error))
        return []
    for choice in found:
        if clash := next((other for other in arms.values() if other.arm == choice.arm and other != choice), None):
            problems.add(
                line.number,
                f"{line.text!r} is {read_as(part, choice.spec)}, whose arm has the name {choice.arm!r}, as that of "
                f"{read_as(part, clash.spec)}; give one of these kinds another arm in the recipe",
            )
        same = next((phrase for phrase, other in arms.items() if other == choice), None)
        if same is None:
            arms[f"{line.number} {line.text} {choice.arm}"] = choice
            said[f"{line.number} {line.text} {choice.arm}"] = line.text
        elif said[same]:
            problems.add(
                line.number, f"the section has {line.text!r} twice, as arm {choice.arm!r} of {said[same]!r}; remove one"
            )
    return found


def _reading(line: Line, part: str, choices: list[Choice]) -> Reading:
    return Reading(line.number, sendable(line.text), read_as(part, *(choice.spec for choice in choices)))


def _check_prose(section: Section, part: str, catalogue: Catalogue, problems: Problems) -> None:
    """Report a line outside of the fields that names a kind of the part: a replacement that would be lost."""
    for line in section.prose:
        try:
            found = line.number > section.places[PART] and choices(line.text, part, catalogue.parts[part], line.strong)
        except Unclear:
            continue
        if found:
            problems.add(
                line.number,
                f"{line.text!r} is outside of all fields and names a replacement; write it below Replacement",
            )


def why_of(section: Section) -> str:
    """Return the reasons of an ablation: its title, its fields `Why` and `Rationale`, and the text around its fields."""
    reasons = [line.text for line in section.fields.get(WHY, [])] + [
        line.text for line in section.prose if not line.text.endswith(":")
    ]
    text = " ".join(each if each.endswith((".", "?", "!")) or each == reasons[-1] else f"{each}." for each in reasons)
    return sendable(f"{section.title}: {text}" if section.title and text else section.title or text or "the plan")
