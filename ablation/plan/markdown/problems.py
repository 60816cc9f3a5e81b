"""The problems of one Markdown plan, which are reported all at once."""

from dataclasses import dataclass, field

from common.errors import UserError


@dataclass
class Problems:
    """Sentences with the line that each is about. `offset` is added to every line: the length of what precedes the text."""

    offset: int = 0
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, sentence: str) -> None:
        """Note a problem of a line, counted from 1; 0 means the whole plan."""
        entry = (line + self.offset if line else 0, sentence)
        if entry not in self.found:
            self.found.append(entry)

    def raise_all(self) -> None:
        """Raise UserError if there are problems: one sentence, or one line per problem in the order of the text."""
        lines = [
            f"line {line}: {text}" if line else text for line, text in sorted(self.found, key=lambda each: each[0])
        ]
        if len(lines) == 1:
            raise UserError(lines[0])
        if lines:
            raise UserError("\n  ".join([f"{len(lines)} problems", *lines]))
