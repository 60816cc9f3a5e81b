"""External corpora: data that only a recipe's own toolkit knows. Their address is all that the service has of them."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from common.errors import UserError

SCHEME = "external"
EXAMPLE = f"{SCHEME}://NAME?version=3"
UNSEEN = "data that only the recipe knows: it brings the references, and makes the noise"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FORM = "1 to 64 letters, digits, dots, hyphens and underscores, the first a letter or digit"


@dataclass(frozen=True)
class External:
    """A corpus that a recipe finds by its name and version."""

    name: str
    version: str

    @property
    def uri(self) -> str:
        """The address in its only spelling."""
        return f"{SCHEME}://{self.name}?version={self.version}"

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the address: another version is another corpus."""
        return hashlib.sha256(self.uri.encode()).hexdigest()

    def summary(self) -> dict[str, Any]:
        """Return what a study records of the corpus; numbers of utterances are not known."""
        return {"uri": self.uri, "fingerprint": self.fingerprint}


def is_external(uri: str) -> bool:
    """Return True for an address of the scheme, valid or not."""
    return uri.partition("://")[0] == SCHEME and "://" in uri


def external(uri: str) -> External | None:
    """Return the external corpus of an address; None for an address of another scheme. Raises UserError."""
    if not is_external(uri):
        return None
    place, _, query = uri.partition("://")[2].partition("?")
    name = unquote(place)
    if not _WORD.fullmatch(name):
        raise UserError(f"an external corpus has a name of {_FORM}, and {uri!r} has {name!r}; write {EXAMPLE}")
    pairs = parse_qsl(query, keep_blank_values=True)
    for key, _ in pairs:
        if key != "version":
            raise UserError(
                f"an external corpus has one option, `version`, and {uri!r} has {key!r}; write {SCHEME}://{name}?version=1"
            )
    if len(pairs) > 1:
        raise UserError(f"a version is given once, and {uri!r} has {len(pairs)}; write {EXAMPLE}")
    if not pairs:
        raise UserError(
            f"an external corpus has a version, as its data are known by it alone, and {uri!r} has none; write "
            f"{SCHEME}://{name}?version=1, and another one whenever the data change"
        )
    version = pairs[0][1]
    if not _WORD.fullmatch(version):
        raise UserError(f"a version has {_FORM}, and {uri!r} has {version!r}; write {EXAMPLE}")
    return External(name, version)
