"""Code fences, comments and thoughts of a Markdown text: what is not plan text. Every line keeps its number."""

import re
from dataclasses import dataclass, field

from ablation.plan.markdown.problems import Problems

FENCE = re.compile(r"(?:[\s>]|[-*+]\s|\d+[.)]\s)*(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")
THOUGHTS = (
    "think",
    "thinking",
    "reasoning",
    "reasoning_trace",
    "thought",
    "thoughts",
    "analysis",
    "reflection",
    "scratchpad",
)
OPENING = re.compile(rf"<!--|<(style|script|pre|{'|'.join(THOUGHTS)})\b[^<>]*>", re.IGNORECASE)
END_OF_THOUGHT = re.compile(rf"</(?:{'|'.join(THOUGHTS)})>", re.IGNORECASE)
FENCED_ALONE = re.compile(r"\s*(?P<mark>`{3,}|~{3,})(?P<info>[^\n`]*)\n(?P<inside>.*)\n[ \t]*(?P=mark)\s*", re.DOTALL)
LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff]")


@dataclass
class Shown:
    """The lines of a text, empty where they are hidden, and the hidden thoughts."""

    lines: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)


def plain_text(text: str) -> str:
    """Return a text with a line feed at the end of every line, with plain spaces, and without invisible characters."""
    return INVISIBLE.sub("", SPACES.sub(" ", LINE_ENDS.sub("\n", text)))


def without_fence(text: str) -> tuple[str, str]:
    """Return a text that is one code fence and nothing else as its content, and the language that the fence names.

    The first line becomes empty, so that all lines keep their numbers. Other texts are returned unchanged.
    """
    match = FENCED_ALONE.fullmatch(text)
    if not match or re.search(rf"^[ \t]*{match['mark']}", match["inside"], re.MULTILINE):
        return text, ""
    return "\n" * text[: match.start("inside")].count("\n") + match["inside"], match["info"].strip().lower()


def shown(text: str, problems: Problems) -> Shown:
    """Return the text without fences, comments, styles and thoughts. One that is never closed is a problem."""
    result, close, start, thought = Shown(), None, 0, False
    for number, line in enumerate(text.split("\n"), 1):
        kept = ""
        while line:
            if close is None:
                before, close, thought, line = _opened(line)
                kept, start = kept + before, number
            else:
                end = close.search(line)
                hidden, line = (line[: end.start()], line[end.end() :]) if end else (line, "")
                result.thoughts += [hidden.strip()] if thought else []
                close = None if end else close
        if END_OF_THOUGHT.search(kept):  # the opening tag was part of the prompt
            result.thoughts += [*result.lines, END_OF_THOUGHT.split(kept)[0]]
            result.lines, kept = [""] * len(result.lines), END_OF_THOUGHT.split(kept)[-1]
        result.lines.append(kept)
    if close is not None:
        problems.add(start, "what starts here (a code fence, comment or HTML element) is never closed; close it")
    return result


def _opened(line: str) -> tuple[str, re.Pattern[str] | None, bool, str]:
    """Return the text before the first opening, what closes it, whether it holds thoughts, and the rest of the line."""
    if fence := FENCE.match(line):
        mark = fence["mark"]
        return "", re.compile(rf"^[\s>]*{mark[0]}{{{len(mark)},}}\s*$"), False, ""
    if not (tag := OPENING.search(line)):
        return line, None, False, ""
    name = (tag[1] or "").lower()
    close = re.compile(rf"</{name}\s*>" if name else "-->", re.IGNORECASE)
    return line[: tag.start()], close, name in THOUGHTS, line[tag.end() :]
