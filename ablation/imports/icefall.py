"""The two files of a decoded test set that icefall writes: `recogs-*.txt` and `errs-*.txt`. Both have the references."""

import ast
import re
from pathlib import Path

from ablation.imports.utterances import Utterance, numbered
from common.errors import UserError

RECOGS_LINE = re.compile(r"(?:(?P<id>\S+):\s+)?(?P<side>ref|hyp)=(?P<words>.*)")
_TIMES = re.compile(r"\S+:\s+timestamp_(?:ref|hyp)=")
DETAILS = "PER-UTT DETAILS:"
_ERRS_LINE = re.compile(r"(?P<id>\S+):(?:\t|\s|$)(?P<words>.*)")
_WRONG = re.compile(r"\((?P<said>[^()]*?)->(?P<heard>[^()]*?)\)")
_NOTHING = "*"


def read_recogs(text: str, path: Path) -> list[Utterance]:
    """Read pairs of lines, `id: ref=['a', 'b']` and `id: hyp=[...]`. Lines with time stamps are left out. Raises UserError."""
    sides: dict[str, list[tuple[int, str, str]]] = {"ref": [], "hyp": []}
    for number, line in numbered(text):
        if _TIMES.match(line):
            continue
        parts = RECOGS_LINE.fullmatch(line.strip())
        if parts is None or parts["id"] is None:
            raise UserError(
                f"{path}: a line of a recogs file is `id: ref=[...]` or `id: hyp=[...]`, and line {number} is "
                f"{line.strip()[:60]!r}; decode again with a version of icefall that writes ids"
            )
        sides[parts["side"]].append((number, parts["id"], _words(parts["words"], path, number)))
    if [name for _, name, _ in sides["ref"]] != [name for _, name, _ in sides["hyp"]]:
        raise UserError(
            f"{path}: every utterance of a recogs file has a ref and a hyp, and this has {len(sides['ref'])} refs and "
            f"{len(sides['hyp'])} hyps that do not pair; decode again"
        )
    pairs = zip(sides["ref"], sides["hyp"], strict=True)
    return [Utterance(name, number, heard, said) for (number, name, said), (_, _, heard) in pairs]


def read_errs(text: str, path: Path) -> list[Utterance]:
    """Read the alignments `id: a (b->c) (d->*)` below `PER-UTT DETAILS`, and make both texts of them. Raises UserError."""
    found, inside = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(DETAILS):
            inside = True
        elif inside and not line.strip():
            break
        elif inside:
            parts = _ERRS_LINE.fullmatch(line)
            if parts is None:
                raise UserError(
                    f"{path}: line {number} of the details is not `id: words`: {line.strip()[:60]!r}; give the recogs file "
                    "of this test set"
                )
            heard, said = (_side(parts["words"], side) for side in ("heard", "said"))
            found.append(Utterance(parts["id"], number, heard, said))
    return found


def _side(aligned: str, side: str) -> str:
    """Return one of the two texts of an alignment."""
    words = _WRONG.sub(lambda pair: " " if pair[side] == _NOTHING else f" {pair[side]} ", aligned)
    return " ".join(words.split())


def _words(written: str, path: Path, number: int) -> str:
    """Return the words of a Python list as text; other values are text already."""
    if not written.startswith("["):
        return written.strip()
    try:
        return " ".join(map(str, ast.literal_eval(written)))
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise UserError(f"{path}: line {number} has a list of words that does not end; decode again") from error
