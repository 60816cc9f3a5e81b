"""The structure of a Markdown plan without any catalogue: what each ablation says in words, and the lines that are left out."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from ablation.plan.markdown.ablations import actions_of, replacements_of, why_of
from ablation.plan.markdown.document import read_document
from ablation.plan.markdown.front_matter import split_front_matter
from ablation.plan.markdown.hidden import plain_text
from ablation.plan.markdown.left_out import LeftOut
from ablation.plan.markdown.names import METRICS, PART, REPLACEMENT
from ablation.plan.markdown.problems import Problems
from ablation.plan.markdown.sections import Section

OUTSIDE_BRACKETS = r"(?![^(\[{]*[)\]}])"
LISTED = re.compile(rf"\s*(?:,\s|;)\s*{OUTSIDE_BRACKETS}")
ON_ONE_LINE = re.compile(rf"\s*(?:[;|]|,(?!\d)|\bor\b|\bvs\.?(?=\s))\s*{OUTSIDE_BRACKETS}", re.IGNORECASE)
CONJUNCTION = re.compile(r"^(?:and|or)\s+", re.IGNORECASE)
PAIR = re.compile(r"(\S+(?: \S+)?(?: \([^)]*\))?) and (\S+(?: \S+)?(?: \([^)]*\))?)")
JOINED_BY_AND = re.compile(r"\b(?:between|across|of|on|for|in|action|association)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Stated:
    """One ablation in the words of the plan. `action` is `replace`, `remove` or `add`; `line` is that of its title."""

    title: str
    line: int
    part: str
    action: str
    replacements: list[str] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    why: str = ""


@dataclass(frozen=True)
class Structure:
    """The parts of a plan that were read. `problems` holds a line and a sentence for all that was not understood."""

    title: str
    ablations: list[Stated]
    metrics: list[str]
    left_out: list[LeftOut]
    problems: list[tuple[int, str]]

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        problems = [{"line": line, "problem": sentence} for line, sentence in self.problems]
        return {**asdict(self), "problems": problems}


def structure_of(text: str) -> Structure:
    """Return the structure of a Markdown plan. Never raises UserError: what is not understood is in `problems`."""
    problems = Problems()
    _, body = split_front_matter(plain_text(text), problems)
    document = read_document(body, problems)
    if not document.ablations and not problems.found:
        problems.add(0, "no ablation found: a Markdown plan has sections with a line `- **Ablated Part**: ...`")
    found = [each for section in document.ablations if (each := _stated(section, problems))]
    metrics = [name for each in found for name in each.metrics]
    metrics += [name for line in document.metrics for name in metric_names(line.text)]
    return Structure(document.title, found, list(dict.fromkeys(metrics)), document.left_out, sorted(problems.found))


def metric_names(text: str) -> list[str]:
    """Return the metrics of a line: what stands between commas outside of brackets, or two short names with `and`.

    A piece without a letter, as in `Success, %`, belongs to the metric before it.
    """
    names: list[str] = []
    for piece in LISTED.split(text.strip(" .;,")):
        piece = CONJUNCTION.sub("", piece.strip())
        if names and not re.search(r"[^\W_]", piece):
            names[-1] = f"{names[-1]}, {piece}"
        elif piece:
            names.append(piece)
    pair = PAIR.fullmatch(names[0]) if len(names) == 1 else None
    return [pair[1], pair[2]] if pair and not JOINED_BY_AND.search(names[0]) else names


def _stated(section: Section, problems: Problems) -> Stated | None:
    """Return an ablation in words. A missing or unknown field is a problem."""
    parts, actions = section.fields.get(PART, []), actions_of(section, problems)
    if len(parts) != 1:
        problems.add(section.number, f"{section.title!r} needs one field `- **Ablated Part**: ...`, got {len(parts)}")
    if len(parts) != 1 or not actions:
        return None
    replacements = _replacements(section, actions)
    if "replace" in actions and len(actions) == 1 and not replacements:
        problems.add(section.number, f"{section.title!r} has no field `- **Replacement**: ...`, which REPLACE needs")
    metrics = [name for line in section.fields.get(METRICS, []) for name in metric_names(line.text)]
    action, place = "/".join(actions), section.number
    return Stated(section.title, place, parts[0].text, action, replacements, metrics, why_of(section))


def _replacements(section: Section, actions: list[str]) -> list[str]:
    """Return the replacements: the items of a list, or the pieces of one line."""
    lines = replacements_of(section, actions)
    if len(lines) == 1 and lines[0].number == section.places.get(REPLACEMENT):
        return [text for piece in ON_ONE_LINE.split(lines[0].text) if (text := CONJUNCTION.sub("", piece.strip(" .")))]
    return [line.text for line in lines]
