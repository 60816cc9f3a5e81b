"""The problems of one Markdown plan, which are reported all at once."""

from dataclasses import dataclass, field

from common.errors import UserError

LONGEST = 800  # characters of a sentence, which quotes the plan


@dataclass
class Problems:
    """Sentences with the line that each is about."""

    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, sentence: str) -> None:
        """Note a problem of a line, counted from 1; 0 means the whole plan."""
        if len(sentence) > LONGEST:
            sentence = f"{sentence[: LONGEST // 2]} ... {sentence[-LONGEST // 2 :]}"
        entry = (line, sentence)
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
