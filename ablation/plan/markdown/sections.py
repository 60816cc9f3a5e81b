"""From blocks to sections: each ablation with its fields, and everything else as prose."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ablation.plan.markdown import names, tables
from ablation.plan.markdown.blocks import Block, Heading, Line, Table
from ablation.plan.markdown.names import ACTION, METRICS, PART, REPLACEMENT, WHY
from ablation.plan.markdown.problems import Problems

STRUCTURE = (PART, ACTION, REPLACEMENT)
BOLD_TITLE = 7  # the level of a title that is bold instead of a heading, and of an item with fields below it
ABLATION = re.compile(r"ablat", re.IGNORECASE)


@dataclass(eq=False)
class Section:
    """A part of the text with one title. `fields` holds the lines of each field's value; a line is a `Line` of plain text."""

    title: str = ""
    number: int = 1
    level: int = 0
    fields: dict[str, list[Line]] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    prose: list[Line] = field(default_factory=list)
    weak: bool = True
    after_fields: list[Line] = field(default_factory=list)

    @property
    def is_ablation(self) -> bool:
        """True if the section states an ablation: a name of a field that means nothing else, or two others."""
        stated = [name for name in STRUCTURE if name in self.fields]
        return bool(stated) and (not self.weak or len(stated) > 1 or bool(ABLATION.search(self.title)))


class Reader:
    """Collects sections from blocks. `field` is the open field, `depth` the depth of the fields of the section."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.sections = [Section()]
        self.field: str | None = None
        self.depth = 0

    @property
    def section(self) -> Section:
        return self.sections[-1]

    def read(self, found: Iterable[Block]) -> list[Section]:
        """Return the sections of all blocks."""
        for block in found:
            if isinstance(block, Heading):
                self._heading(block)
            elif isinstance(block, Table):
                self._table(block)
            else:
                self._line(block)
        return self.sections

    def _new(self, title: str, number: int, level: int) -> None:
        title = re.sub(r"^\W*(?:\d+|[a-z])[.):]\s+", "", title.strip().rstrip(":"), flags=re.IGNORECASE)
        self.sections.append(Section(title, number, level))
        self.field, self.depth = None, 0

    def _heading(self, heading: Heading) -> None:
        """A heading starts a section, or is a field of the section above it."""
        stated = names.field_of(Line(heading.number, heading.text))
        below = heading.level > self.section.level
        named = stated is not None and stated.name not in (None, names.TITLE)
        if (
            stated
            and named
            and ((stated.name in STRUCTURE and not stated.weak) or (below and self.section.is_ablation))
        ):
            self._start(stated, Line(heading.number, heading.text))
            return
        self._new(heading.text, heading.number, heading.level)
        if stated and stated.name == METRICS:
            self._start(stated, Line(heading.number, heading.text))

    def _line(self, line: Line) -> None:
        stated = names.field_of(line)
        if line.text.startswith("|") and any(names.known_name(cell) for cell in line.text.split("|")):
            self.problems.add(line.number, "a table without a line |---|---| below its header; add it")
        elif stated and stated.name and self._counts(stated, line):
            self._start(stated, line)
        elif self._is_title(line, stated):
            self._new(line.text, line.number, BOLD_TITLE)
        elif self.field is None:
            self._aside(line)
        else:
            self._within(line, stated)

    def _counts(self, stated: names.Field, line: Line) -> bool:
        """Return False for a known name that is only a word of prose, of a value, or of a title."""
        if stated.name == names.TITLE:
            return False
        if self.field == REPLACEMENT and stated.weak and not stated.numbered and line.depth > self.depth:
            return False
        labelled = stated.marked or line.item or line.depth == self.depth
        if stated.name == WHY or stated.weak:
            return labelled and (bool(self.section.fields) or stated.weak)
        return labelled or not line.first

    def _is_title(self, line: Line, stated: names.Field | None) -> bool:
        bold = bool(line.strong) and line.strong.rstrip(":") == line.text.rstrip(":") and not (stated and stated.name)
        return bold and not line.item and line.first and line.depth == 0

    def _start(self, stated: names.Field, line: Line) -> None:
        """Open a field. A second `Ablated Part` starts the next ablation."""
        name = stated.name or ""
        if name == PART or (name in STRUCTURE and not set(STRUCTURE) & set(self.section.fields)):
            self._take_title(line)
        if name == PART and PART in self.section.fields:
            self._new(self.section.title, line.number, self.section.level)
        appended = name == WHY or stated.numbered
        if name in self.section.fields and not appended:
            self.problems.add(
                line.number,
                f"{self.section.title or 'the plan'!r} has the field {stated.label!r} twice; start a section for each ablation",
            )
            name = f"{name} again"
        self.field, self.depth = name, max(line.depth, 0) if not stated.numbered else min(line.depth, self.depth or 99)
        self.section.places.setdefault(name, line.number)
        self.section.weak &= stated.weak or name not in STRUCTURE
        values = self.section.fields.setdefault(name, [])
        text = (
            f"{stated.label}: {stated.value}"
            if name == WHY and names.plain(stated.label) not in (WHY, "rationale")
            else ""
        )
        if stated.value:
            values.append(replace(line, text=text or stated.value, strong=""))

    def _take_title(self, line: Line) -> None:
        """Fields below a list item, or of a second ablation, get a section of their own with the line before as its title."""
        if not self.section.prose:
            return
        last, second = self.section.prose[-1], PART in self.section.fields
        below = last.item and last.depth < line.depth
        if below or (second and not last.item and last.number > max(self.section.places.values())):
            self.section.prose.pop()
            if last in self.section.after_fields:
                self.section.after_fields.remove(last)
            self._new(last.text, last.number, BOLD_TITLE)

    def _within(self, line: Line, stated: names.Field | None) -> None:
        """A line without the name of a field, while a field is open."""
        values = self.section.fields[self.field or ""]
        unknown = stated is not None and stated.name is None and (stated.marked or line.item)
        if line.item and line.depth > self.depth:
            values.append(line)
        elif line.item and line.depth == self.depth and self.field in (REPLACEMENT, METRICS, WHY):
            same_list = bool(values) and values[-1].item and values[-1].number > self.section.places[self.field]
            if unknown and self.field != WHY and values and not same_list:
                self._unknown(line, stated)
            else:
                values.append(line)
        elif unknown and line.depth == self.depth:
            self._unknown(line, stated)
        elif line.item and line.depth == self.depth:
            self.problems.add(
                line.number, f"{line.text!r} is not a field; write `- **Field**: value`, or remove the line"
            )
        elif line.item or (line.first and line.depth < max(self.depth, 1) and values):
            self.field = None
            self._aside(line)
        elif line.first or not values:
            values.append(line)
        else:
            values[-1] = replace(values[-1], text=f"{values[-1].text} {line.text}")

    def _unknown(self, line: Line, stated: names.Field | None) -> None:
        self.problems.add(line.number, names.unknown(stated.label if stated else line.text, self.section.title))

    def _aside(self, line: Line) -> None:
        """A line outside of all fields. After the fields of a section, an item there looks like an ablation without fields."""
        prose = self.section.prose
        if self.section.fields and line.item:
            self.section.after_fields.append(line)
        if prose and not line.first and not line.item and not line.strong:
            prose[-1] = replace(prose[-1], text=f"{prose[-1].text} {line.text}")
        else:
            prose.append(line)

    def _table(self, table: Table) -> None:
        """Each row, or each column, of a table of fields is an ablation; a table with one of them belongs to its section."""
        found = tables.ablations(table, self.problems)
        if found is None:
            if self.section.is_ablation:
                self.problems.add(
                    table.rows[0][0], "a table without names of fields in its first row or column; remove it"
                )
            return
        for number, title, stated in found:
            if len(found) > 1 or self.section.fields:
                self._new(title or self.section.title, number, self.section.level)
            for line, each in stated:
                self._start(each, line)
        self.field = None
