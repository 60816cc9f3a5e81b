"""Write the table of corpora in docs/corpora-in-s3.md: `python docs/generate_corpora.py`."""

import re
from pathlib import Path

from common.files import atomic_write
from corpora.readers.registry import table

TARGET = Path(__file__).with_name("corpora-in-s3.md")
MARKED = re.compile(r"(?<=<!-- generated: corpora -->\n).*?(?=\n<!-- end -->)", re.DOTALL)


def document() -> str:
    """Return the page with the present table."""
    return MARKED.sub(lambda _: table(), TARGET.read_text(encoding="utf-8"))


if __name__ == "__main__":
    atomic_write(TARGET, document())
