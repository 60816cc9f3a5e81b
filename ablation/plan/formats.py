"""The format of a plan's text, by its content: Markdown, or YAML with JSON."""

import re
from collections.abc import Iterable, Mapping

from ablation.plan.markdown.hidden import plain_text, without_fence
from ablation.plan.markdown.names import NAMES, PART
from common.errors import UserError
from common.yaml_text import load_yaml

MARKDOWN = (".md", ".markdown", "md", "markdown")
YAML = (".yaml", ".yml", ".json", "yaml", "yml", "json")
NAMES_OF_PART = "|".join(name for name in NAMES[PART] if name != "part")  # `part` is a key of ablations in YAML
FIELD = re.compile(rf"(?:^|\||\*\*|__|>)[\W\d_]{{0,20}}(?:{NAMES_OF_PART}|\*\*part)s?\W", re.IGNORECASE | re.MULTILINE)
FRONT_MATTER = re.compile(r"---[ \t]*\n.*?\n---[ \t]*\n\s*\S", re.DOTALL)
HEADING = re.compile(r"^\#{2,6} \S", re.MULTILINE)


def without_wrapping(text: str) -> tuple[str, str]:
    """Return a text without byte order mark, and without the one code fence that may be all around it.

    The second value is the language that the fence names, or empty.
    """
    return without_fence(text.removeprefix("\ufeff"))


def is_markdown(text: str, hint: str, keys: Iterable[str]) -> bool:
    """Return True for a Markdown plan. `hint` is a suffix or language, which decides if the text itself does not.

    `keys` are those of a plan in YAML.
    """
    text = plain_text(text)
    start = text.lstrip()
    if start.startswith(("{", "[")):
        return False
    if FRONT_MATTER.match(start):
        return True
    states_keys = re.search(rf"^(?:{'|'.join(keys)})[ \t]*:(?:\s|$)", text, re.MULTILINE)
    states_fields = FIELD.search(text)
    if states_keys and states_fields:
        return not _is_mapping(text)
    if states_keys or states_fields:
        return bool(states_fields)
    hint = hint.lower()
    return hint in MARKDOWN or (
        hint not in YAML and not _is_mapping(text) and bool(HEADING.search(text) or _is_prose(text))
    )


def _is_mapping(text: str) -> bool:
    try:
        return isinstance(load_yaml(text), Mapping)
    except UserError:
        return False


def _is_prose(text: str) -> bool:
    try:
        return isinstance(load_yaml(text), str)
    except UserError:
        return False
