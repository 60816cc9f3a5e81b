"""Removal of passwords in addresses from logs, reports and errors. Imports no mlflow."""

import re


def redact(text: str) -> str:
    """Return the text with `://user@` in place of every `://user:password@`."""
    return re.sub(r"(://[^\s:/@]*):[^\s/]*@", r"\1@", text)
