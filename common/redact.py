"""Removal of secrets from logs, reports and errors. Imports no mlflow.

Two things count as secret: text that has the form of one (a password in an address, a parameter such as `?password=`, the header
Authorization), and the values of the environment's own secrets, wherever they stand.
"""

import json
import os
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote, unquote_plus

HIDDEN = "***"
SHORTEST = 6  # characters; a shorter value would hide parts of ordinary words
SECRET_NAME = re.compile(
    r"(?i)(?:password|passwd|passphrase|token|secret|(?:secret|access|api|private|signing)_?key|cookies?)$"
)
# In an address `://host:5000/a@b`, 5000 is a port. Anything else between the colon and the last `@` of the word is a password.
PASSWORD = re.compile(r"""(://[^\s:/@"]*):(?!\d{1,5}/)[^\s"<>]*@""")
PARAMETER = re.compile(
    r"(?i)([?&;][\w.-]*(?:password|passwd|pwd|token|secret|api_?key|access_?key|credential|signature)[\w.-]*=)[^&;#\s\"']*"
)
HEADER = re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*(?:b?[\"'])?(?:(?:basic|bearer|token)\s+)?)[^\s\"',]+")
SCHEME = re.compile(r"(?i)\b((?:basic|bearer)\s+)[\w+/.=~-]{8,}")
COOKIE = re.compile(r"(?i)(\bcookie[\"']?\s*[:=]\s*[\"']?)[^\r\n\"']+")
IN_ADDRESS = re.compile(r"://[^\s:/@]*:([^\s]+)@")


def redact(text: str) -> str:
    """Return the text without secrets: `://user@` in place of every `://user:password@`, and `***` in place of all others."""
    text = PASSWORD.sub(r"\1@", text)
    for form in (PARAMETER, HEADER, SCHEME, COOKIE):
        text = form.sub(rf"\1{HIDDEN}", text)
    for secret in sorted(set(_known()), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def is_secret_name(name: str) -> bool:
    """Return whether a variable of that name holds a secret, e.g. MLFLOW_TRACKING_PASSWORD, AWS_SECRET_ACCESS_KEY."""
    return SECRET_NAME.search(name) is not None


def _known() -> Iterator[str]:
    """Yield the secrets of the environment as they are, and as an address or JSON writes them."""
    for name, value in os.environ.items():
        if is_secret_name(name):
            yield from _forms(value.strip())
        elif found := IN_ADDRESS.search(value):
            yield from _forms(found[1])


def _forms(secret: str) -> Iterator[str]:
    plain = {secret, unquote(secret), unquote_plus(secret)}
    written = {
        form for text in plain for form in (text, quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1])
    }
    yield from (text for text in written if len(text) >= SHORTEST)
