"""`ablate plan --structure`: what Markdown plans say, without any model's catalogue."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ablation.plan.formats import is_markdown, without_wrapping
from ablation.plan.markdown.left_out import in_words
from ablation.plan.markdown.structure import Structure, structure_of
from ablation.plan.plan import Plan
from common.errors import Unavailable, UserError
from common.text_file import LONGEST_BYTES, decoded, read_text_file

REMEDY = "give a plan in Markdown"


def given_text(path: str) -> tuple[str, str]:
    """Return the name of a plan's file and its text: from a path, an address, or `-` for standard input. Raises UserError."""
    if path == "-":
        return "study", decoded(sys.stdin.buffer.read(LONGEST_BYTES + 1), "standard input", "plan", REMEDY)
    if "://" in path:
        from components.shared.inputs import plan_text_from

        return plan_text_from(path)
    return Path(path).name, read_text_file(Path(path), "plan", "give the path of a plan in Markdown")


def given_structure(path: str) -> Structure:
    """Return the structure of a Markdown plan. Raises UserError for another format, and for what cannot be read at all."""
    name, text = given_text(path)
    text, language = without_wrapping(text)
    if not is_markdown(text, language or Path(name).suffix, keys=Plan.__dataclass_fields__):
        raise UserError(f"{path} is no Markdown plan, and a structure is that of Markdown; {REMEDY}")
    return structure_of(text)


def left_out_of(path: str) -> str:
    """Return how many lines of a Markdown plan in a file were left out, in words; empty for other plans."""
    if path == "-" or "://" in path:  # what was read once is not read again
        return ""
    try:
        return in_words(given_structure(path).left_out)
    except UserError:
        return ""


def show_structures(paths: Sequence[str]) -> None:
    """Print one structure as JSON, or a list for several plans.

    Afterwards, raises UserError if any has problems, and Unavailable if some are only out of reach.
    """
    away = list[str]()
    found = [_outcome(path, away) for path in paths]
    print(json.dumps(found if len(found) > 1 else found[0], indent=1, ensure_ascii=False))
    wrong = [each["plan"] for each in found if each.get("problems")]
    if away and away == wrong:
        raise Unavailable(f"{len(away)} of {len(found)} plans cannot be read now; try again later")
    if wrong:
        first = f" ({wrong[0]})" if len(wrong) < len(found) else ""
        raise UserError(f"{len(wrong)} of {len(found)} plans have problems{first}; correct what `problems` says")


def _outcome(path: str, away: list[str]) -> dict[str, Any]:
    """Return what a plan says, or its problem. The path of a plan that is out of reach is appended to `away`."""
    try:
        return {"plan": path, **given_structure(path).as_json()}
    except UserError as error:
        if isinstance(error, Unavailable):
            away.append(path)
        return {"plan": path, "problems": [{"line": 0, "problem": str(error).removeprefix(f"{path}: ")}]}
