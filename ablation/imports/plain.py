"""Formats with one line of text per utterance: NIST trn (`words (id)`) and Kaldi's text (`id words`), which ESPnet writes too."""

import re
from pathlib import Path

from ablation.imports.utterances import Utterance, numbered
from common.errors import UserError

TRN_LINE = re.compile(r"(?P<words>.*?)\s*\((?P<id>[^()\s]+)\)\s*")
_ALTERNATIVES = re.compile(r"(?:^|\s)\{\s.*\s/\s.*\s\}(?:\s|$)")


def read_trn(text: str, path: Path) -> list[Utterance]:
    """Read `words (id)` lines; `;;` starts a comment. Raises UserError with the line."""
    found = []
    for number, line in numbered(text):
        if line.lstrip().startswith(";;"):
            continue
        parts = TRN_LINE.fullmatch(line)
        if parts is None:
            raise UserError(
                f"{path}: a line of a trn file ends with `(id)`, and line {number} does not: {line.strip()[:60]!r}; "
                "correct it, or give its format with --format"
            )
        if _ALTERNATIVES.search(parts["words"]):
            raise UserError(
                f"{path}: line {number} has alternatives (`{{ a / b }}`), which are not scored; write one of them"
            )
        found.append(Utterance(parts["id"], number, parts["words"].strip()))
    return found


def read_kaldi(text: str, path: Path) -> list[Utterance]:
    """Read `id words` lines. An id alone has an empty text."""
    del path
    found = []
    for number, line in numbered(text):
        name, *rest = line.split(maxsplit=1)
        found.append(Utterance(name, number, rest[0].strip() if rest else ""))
    return found


def is_trn(text: str) -> bool:
    """Return True if every line ends with an id in brackets, and no id occurs twice."""
    lines = [line for _, line in numbered(text) if not line.lstrip().startswith(";;")]
    found = [TRN_LINE.fullmatch(line) for line in lines]
    ids = [parts["id"] for parts in found if parts]
    return bool(lines) and len(ids) == len(lines) == len(set(ids))
