"""Lines of a Markdown plan that no ablation holds: reasoning, HTML, hidden text, and other text."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

from ablation.plan.markdown.html import TAG

HIDDEN, REASONING, TAGS, HEADING, TEXT = "hidden text", "reasoning", "HTML", "headings", "text"


@dataclass(frozen=True)
class LeftOut:
    """A line, counted from 1, that is neither a title, a field nor a reason of an ablation. `what` is one of the words above."""

    line: int
    what: str
    text: str


def left_out(source: str, visible: str, body: str, read: Collection[int]) -> Iterator[LeftOut]:
    """Yield the lines of a text that are not read, without empty ones.

    `visible` is the text without hidden text, and `body` that without HTML and boxes of reasoning. `read` holds the numbers of the
    lines of `body` that ablations, the title of the plan and its metrics come from.
    """
    texts = (each.split("\n") for each in (source, visible, body))
    for number, (line, shown, kept) in enumerate(zip_longest(*texts, fillvalue=""), 1):
        if not line.strip() or (kept.strip() and number in read):
            continue
        yield LeftOut(number, _what(shown, kept), _text(line))


def _text(line: str) -> str:
    """Return a line without tags, or the tags if it is nothing else."""
    return _without_tags(line) or line.strip()


def _without_tags(line: str) -> str:
    return TAG.sub(lambda tag: "" if tag["name"] else tag[0], line).strip()


def _what(shown: str, kept: str) -> str:
    if not shown.strip():
        return HIDDEN
    if not kept.strip():
        return REASONING if _without_tags(shown) else TAGS
    return HEADING if re.match(r"\s*#{1,6} ", kept) else TEXT


def in_words(lines: Iterable[LeftOut]) -> str:
    """Return how many lines are left out and of which sort: `left out: 34 lines (8 hidden text, 26 reasoning)`."""
    counts = Counter(each.what for each in lines)
    return (
        f"left out: {counts.total()} lines ({', '.join(f'{n} {what}' for what, n in counts.items())})" if counts else ""
    )
