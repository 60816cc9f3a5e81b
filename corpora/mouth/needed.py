"""`python -m corpora.mouth.needed PLAN ARGS...`: exit code 0 if the corpus of a study needs `make mouth`, 1 if it does not.

The Makefile asks this. The standard library is enough to run it, and it takes 0.1 s. It finds `corpus` in the text of the plan
and does not read the plan, since an error in a plan is for `ablate run` to report.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from corpora.readers.registry import READERS

# `--corpus URI`, `--set corpus=URI`; `corpus: URI` in YAML and Markdown, `"corpus": "URI"` in JSON, but not in a comment.
_CORPUS = re.compile(r"^[^#\n]*?\bcorpus\b[\"']?\s*[:=\s]\s*[\"']?([a-z][a-z0-9]*)://", re.MULTILINE)


def is_needed(plan: str, arguments: Sequence[str]) -> bool:
    """Return True if the corpus, of the arguments or else of the plan's file, is read from real video."""
    found = _CORPUS.findall(" ".join(arguments)) or _CORPUS.findall(_text(Path(plan)))
    return any(READERS[scheme].needs_mouth for scheme in found if scheme in READERS)


def _text(file: Path) -> str:
    """The text of a plan; "" for an address and for a file that does not exist."""
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


if __name__ == "__main__":
    sys.exit(0 if is_needed(sys.argv[1], sys.argv[2:]) else 1)
