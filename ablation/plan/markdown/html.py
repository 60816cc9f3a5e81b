"""HTML in a Markdown text: boxes with reasoning are taken out, other tags are replaced by Markdown. Lines keep their numbers."""

import re
from dataclasses import dataclass

from ablation.plan.markdown.problems import Problems

BOXES = ("div", "section", "details", "article", "aside")
OTHERS = (
    "p|span|b|strong|i|em|u|code|br|hr|center|font|small|mark|kbd|sub|sup|ul|ol|li|a|img|summary|h[1-6]|body|html|main"
)
TAG = re.compile(
    rf"<(?P<slash>/?)(?P<name>{'|'.join(BOXES)}|{OTHERS}|t[dhr]|table|thead|tbody)\b[^<>]*>"
    r"|^(?P<marks>\#{1,6})[ \t]+(?P<title>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
HTML_TITLE = re.compile(r"([^<]*)")
REASONING = re.compile(r"\b(reason(ing|s)?|rationale|thoughts?|thinking|scratchpad)\b", re.IGNORECASE)
PLAN = re.compile(r"\bplans?\b|\bablat", re.IGNORECASE)
REPLACED = {"strong": "**", "b": "**", "code": "`", "br": "; "}
SCRIPTS = {"sup": "^", "sub": "_"}
BULLET = re.compile(r"^([ \t>]*)[•◦▪‣·●○∙–—][ \t]+", re.MULTILINE)


@dataclass
class _Box:
    """An open element. `level` is the level of its heading of reasoning, -1 without one; 0 is that of a summary.

    `inside` says that it is inside a box of reasoning.
    """

    name: str
    line: int
    inside: bool = False
    level: int = -1


def without_html(text: str, problems: Problems) -> tuple[str, str]:
    """Return the text without tags and without boxes of reasoning, and the text of those boxes."""
    kept, reasoning, boxes, place, line = [""], [""], list[_Box](), 0, 1
    for tag in TAG.finditer(text):
        _put(text[place : tag.start()], boxes, kept, reasoning)
        line += text.count("\n", place, tag.start())
        place = tag.end()
        _put(_replacement(tag, line, boxes, problems), boxes, kept, reasoning)
        line += tag[0].count("\n")
        _put("\n" * tag[0].count("\n"), boxes, kept, reasoning)
    _put(text[place:], boxes, kept, reasoning)
    for box in boxes:
        if box.level >= 0:
            problems.add(box.line, f"the box of reasoning that starts here is never closed; end it with </{box.name}>")
    return BULLET.sub(r"\1- ", "".join(kept)), "".join(reasoning)


def _put(part: str, boxes: list[_Box], kept: list[str], reasoning: list[str]) -> None:
    hidden = _hides(boxes)
    (reasoning if hidden else kept).append(part)
    if hidden:
        kept.append("\n" * part.count("\n"))


def _hides(boxes: list[_Box]) -> bool:
    return bool(boxes) and (boxes[-1].inside or boxes[-1].level >= 0)


def _replacement(tag: re.Match[str], line: int, boxes: list[_Box], problems: Problems) -> str:
    """Return what stands for a tag in Markdown, and keep account of the open boxes."""
    name = (tag["name"] or "").lower()
    if tag["marks"]:
        _head(boxes, len(tag["marks"]), tag["title"])
        return tag[0]
    if name in BOXES:
        _open_or_close(boxes, name, line, closing=bool(tag["slash"]))
        return ""
    if name.startswith("t"):
        if not _hides(boxes):
            problems.add(line, "a table in HTML is not read; write it as a Markdown table, with | between the cells")
        return ""
    if name == "summary" or re.fullmatch("h[1-6]", name):
        level = 0 if name == "summary" else int(name[1])
        if not tag["slash"]:
            _head(boxes, level, HTML_TITLE.match(tag.string, tag.end())[1])  # type: ignore[index]  # matches any text
        return "" if tag["slash"] else f"{'#' * (level or 2)} "
    if name in SCRIPTS:
        return "" if tag["slash"] else SCRIPTS[name]
    return "- " if name == "li" and not tag["slash"] else REPLACED.get(name, "")


def _head(boxes: list[_Box], level: int, title: str) -> None:
    """A heading of reasoning makes its box one; another heading of the same level or above ends it."""
    if not boxes:
        return
    box = boxes[-1]
    if box.level < 0 and REASONING.search(title) and not PLAN.search(title):
        box.level = level
    elif box.level >= level > 0:
        box.level = -1


def _open_or_close(boxes: list[_Box], name: str, line: int, *, closing: bool) -> None:
    if not closing:
        boxes.append(_Box(name, line, _hides(boxes)))
    elif any(box.name == name for box in boxes):
        while boxes.pop().name != name:
            pass
