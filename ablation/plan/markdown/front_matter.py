"""The keys of a plan that a Markdown plan gives in YAML, between two lines of `---` at its top."""

import re
from collections.abc import Mapping
from typing import Any

from ablation.plan import fields
from ablation.plan.markdown.problems import Problems
from common.errors import UserError
from common.yaml_text import load_yaml

FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\n((?:.*?\n)?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
MARKDOWN = re.compile(r"^(?:\#\#|.*\*\*)", re.MULTILINE)


def split_front_matter(text: str, problems: Problems) -> tuple[dict[str, Any], str]:
    """Return the keys between two lines of `---`, and the text with these lines empty."""
    match = FRONT_MATTER.match(text)
    if not match or MARKDOWN.search(match[1]):  # a rule at the top, and another one further down
        return {}, text
    front: Mapping[str, Any] = {}
    try:
        front = fields.mapping("front matter", load_yaml(match[1]) or {})
    except UserError as error:
        problems.add(1, f"in the lines between ---: {error}")
    if "ablations" in front:
        problems.add(1, "`ablations` is in the front matter of a Markdown plan; write them as sections below it")
    keys = {key: value for key, value in front.items() if key != "ablations"}
    return keys, "\n" * match[0].count("\n") + text[match.end() :]
