"""A Markdown plan as a whole: its ablations, title, reasoning and metrics; and what in it was not understood."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ablation.plan.markdown import names
from ablation.plan.markdown.blocks import Line, blocks
from ablation.plan.markdown.hidden import shown
from ablation.plan.markdown.html import PLAN, REASONING, without_html
from ablation.plan.markdown.left_out import LeftOut, left_out
from ablation.plan.markdown.names import METRICS
from ablation.plan.markdown.phrases import listed
from ablation.plan.markdown.problems import Problems
from ablation.plan.markdown.sections import ABLATION, BOLD_TITLE, STRUCTURE, Reader, Section

# A title of these words alone is neither a question nor the title of an ablation.
GENERIC = listed(
    "a ablation ablations abstract an analysis and background conclusion conclusions context design detail details "
    "discussion experiment experiments final for further future general important in introduction list metrics "
    "missing motivation new next note notes of on other our overall overview plan plans proposal proposed rationale "
    "reason reasoning reasons references remark remarks results setup steps studies study suggested summary table "
    "the thinking thoughts to trace work"
)


@dataclass(frozen=True)
class Document:
    """The sections with ablations, the title, the reasoning as text, and the metrics that no ablation states.

    `prose` are the sections that are neither ablations nor reasoning. `left_out` are the lines that were not used.
    """

    ablations: list[Section]
    title: str
    reasoning: str
    metrics: list[Line]
    prose: list[Section]
    left_out: list[LeftOut]


def read_document(text: str, problems: Problems) -> Document:
    """Return the structure of a plan; parts and kinds are still phrases. What is not understood becomes a problem."""
    visible = shown(text, problems)
    body, boxed = without_html("\n".join(visible.lines), problems)
    sections = Reader(problems).read(blocks(body))
    ablations, reasons, drafts, prose = [], [*visible.thoughts, boxed], [], []
    for section, under in _with_reasoning(sections):
        if section.is_ablation and not under:
            ablations.append(section)
        elif section.is_ablation:
            drafts.append((section, under))
        elif under:
            reasons += [section.title, *(line.text for line in section.prose)]
        else:
            prose.append(section)
            _check_prose(section, problems)
    ablations = _with_drafts(ablations, drafts, problems)
    for section in ablations:
        _check_ablation(section, problems)
    _check_titles(sections, ablations, problems)
    stated = set(ablations)
    others = [section for section in sections if section not in stated]
    metrics = [line for section in others for line in section.fields.get(METRICS, [])]
    read = _lines_read(sections, stated, {line.number for line in metrics}, len(visible.lines))
    unused = list(left_out(text, "\n".join(visible.lines), body, read))
    return Document(ablations, _title(sections), _plain_text(reasons), metrics, prose, unused)


def _lines_read(sections: list[Section], ablations: set[Section], metrics: set[int], lines: int) -> set[int]:
    """Return the numbers of the lines of ablations, of the title of the plan and of metrics."""
    ends = [*(section.number for section in sections[1:]), lines + 1]
    title, read = _title(sections), set(metrics)
    for section, end in zip(sections, ends, strict=True):
        if section in ablations:
            read.update(range(section.number, end))
        elif title and section.title == title and section.level == 1:
            read.add(section.number)
    return read


def _with_reasoning(sections: list[Section]) -> Iterator[tuple[Section, str]]:
    """Yield each section, and the title of reasoning that it has or stands below, or an empty text."""
    title, level = "", 0
    for section in sections:
        if not title or section.level <= level:
            is_reasoning = bool(REASONING.search(section.title)) and not PLAN.search(section.title)
            title, level = (section.title, section.level) if is_reasoning else ("", 0)
        yield section, title


def _with_drafts(ablations: list[Section], drafts: list[tuple[Section, str]], problems: Problems) -> list[Section]:
    """Return the ablations, or those below a title of reasoning if there are no others and they have titles of their own."""
    own = all(section.title != title and section.level < BOLD_TITLE for section, title in drafts)
    if drafts and own and not ablations:
        return [section for section, _ in drafts]
    for section, title in drafts:
        remedy = "give the ablation a heading of the same level, or remove its fields"
        problems.add(section.number, f"fields of an ablation below the title {title!r}; {remedy}")
    return ablations


def _check_ablation(section: Section, problems: Problems) -> None:
    """Report lines around the fields of an ablation that look like fields or ablations."""
    for line in section.prose:
        stated = names.field_of(line)
        if line in section.after_fields:
            problems.add(
                line.number,
                f"{line.text!r} looks like an ablation or a replacement; write it with fields, or below a heading",
            )
        elif stated and (stated.name is None or stated.weak) and (stated.marked or names.nearly(stated.label)):
            problems.add(line.number, names.unknown(stated.label, section.title))


def _check_prose(section: Section, problems: Problems) -> None:
    """Report lines outside of ablations that look like misspelt fields, or like keys of the plan."""
    for line in section.prose:
        stated = names.field_of(line)
        if not stated or stated.name:
            continue
        if names.nearly(stated.label) or (names.of_the_plan(stated.label) and (stated.marked or line.item)):
            problems.add(line.number, names.unknown(stated.label, section.title))


def _check_titles(sections: list[Section], ablations: list[Section], problems: Problems) -> None:
    """Report the titles that speak of an ablation, stand at the level of ablations, and have no fields below them."""
    known, levels = set(ablations), {section.level for section in ablations}
    for place, (section, under) in enumerate(_with_reasoning(sections)):
        following = sections[place + 1 : place + 2]
        parent = any(section.level < each.level and each in known for each in following)
        lost = section.level in levels and ABLATION.search(section.title) and not is_generic(section.title)
        if lost and section not in known and not (under or parent or set(STRUCTURE) & set(section.fields)):
            fields = ", ".join(f"`- **{name}**: ...`" for name in names.SHOWN[:3])
            problems.add(section.number, f"the ablation {section.title!r} has no fields; write {fields} below it")


def is_generic(title: str) -> bool:
    """Return True for a title such as `Ablation plan`, which names no question and no ablation."""
    return set(re.findall(r"[^\W\d_]+", title.lower())) <= GENERIC


def _title(sections: list[Section]) -> str:
    """Return the title of the document: its first heading of the first level that is no ablation."""
    titles = [section.title for section in sections if section.level == 1 and not section.is_ablation]
    return next((title for title in titles if not is_generic(title)), "")


def _plain_text(parts: list[str]) -> str:
    lines = (re.sub(r"\*\*|`|^\s*#+\s*", "", line).strip() for part in parts for line in part.split("\n"))
    return sendable("\n".join(line for line in lines if line))


def sendable(text: str) -> str:
    """Return a text without what a Kubeflow server refuses: characters beyond the Unicode plane 0, and two braces in a row."""
    kept = "".join(letter for letter in text if letter in "\n\t" or (letter.isprintable() and ord(letter) < 0x10000))
    return kept.replace("{{", "{ {").replace("}}", "} }").strip()
