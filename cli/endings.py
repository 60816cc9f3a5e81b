"""The end of a command: an exit code, and a sentence that says why."""

import sys
from typing import NoReturn

import typer

from common.redact import redact


def fail(sentence: str, code: int) -> NoReturn:
    """Print the sentence on stderr and end the command with the exit code."""
    print(redact(sentence), file=sys.stderr)
    raise typer.Exit(code)
