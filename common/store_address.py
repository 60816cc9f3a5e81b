"""Addresses of MLflow stores without their secrets. Imports no mlflow.

An address with a password enters a process by the environment or a command line. `enter` takes the password out of it there, and
all other code sees, logs and hands on the plain address. Only the calls of MLflow's client ask for the whole one, by `whole`.
"""

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from common.errors import UserError
from common.redact import is_secret_name

VARIABLE = "MLFLOW_TRACKING_URI"
USERNAME, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
WEB = ("http://", "https://")
ON_DISK = ("sqlite:", "file:")
ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z][\w+.-]*://)(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<end>.*)", re.S
)
PORT = re.compile(r"(?:\[[^\]]*\]|[^:]*)(?::\d*)?")


@dataclass(frozen=True)
class _Parts:
    scheme: str
    user: str
    password: str | None  # as the address writes it
    host: str
    path: str
    query: str

    def plain(self) -> str:
        """Return the address without secrets. A server's has no user either: the environment names that."""
        user = "" if self.scheme.lower() in WEB and self.password is not None else self.user
        kept = [item for item in self.query.split("&") if item and not _is_secret(item)]
        return f"{self.scheme}{user}{'@' if user else ''}{self.host}{self.path}{'?' if kept else ''}{'&'.join(kept)}"

    def whole(self) -> str:
        """Return the address with its secrets, written as SQLAlchemy reads it."""
        hidden = "" if self.password is None else f":{quote(unquote(self.password), safe='')}"
        at = "@" if self.user or hidden else ""
        return f"{self.scheme}{self.user}{hidden}{at}{self.host}{self.path}{'?' if self.query else ''}{self.query}"


def enter(uri: str) -> str:
    """Return an address without its secrets, which move into the environment of this process and of those that it starts.

    Of a server, they become MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD. The address of a database stays whole in
    MLFLOW_TRACKING_URI. Raises UserError, without the address, if the end of the password is not clear.
    """
    found = _parts(uri)
    if found is None or not _has_secret(found):
        return uri
    plain = found.plain()
    if found.scheme.lower() in WEB:
        if found.password is not None:
            os.environ[USERNAME], os.environ[PASSWORD] = unquote(found.user), unquote(found.password)
        if os.environ.get(VARIABLE) == uri:
            os.environ[VARIABLE] = plain
    else:
        os.environ[VARIABLE] = found.whole()
    return plain


def whole(uri: str) -> str:
    """Return the address with which MLflow reaches the store whose plain address `enter` returned."""
    given = os.environ.get(VARIABLE, "")
    if not given or given == uri:
        return uri
    found = _parts(given)
    return found.whole() if found is not None and found.plain() == uri else uri


def has_secret(uri: str) -> bool:
    """Return whether an address has a password, or a parameter whose name says that it is secret. Raises UserError as `enter`."""
    found = _parts(uri)
    return found is not None and _has_secret(found)


def without_secret(uri: str) -> str:
    """Return an address for display, without its secrets. Changes nothing. Raises UserError as `enter`."""
    found = _parts(uri)
    return uri if found is None else found.plain()


def _has_secret(found: _Parts) -> bool:
    return found.password is not None or any(map(_is_secret, found.query.split("&")))


def _is_secret(parameter: str) -> bool:
    return is_secret_name(unquote(parameter.partition("=")[0]))


def _parts(uri: str) -> _Parts | None:
    """Return the parts of an address; None for one without a host, such as that of a file."""
    found = None if uri.startswith(ON_DISK) else ADDRESS.fullmatch(uri)
    if found is None:
        return None
    info, at, host = found["authority"].rpartition("@")
    behind = found["path"] or found["query"] or ""  # a parameter may have an `@`, as in `/db?user=me@there`
    if "@" in behind + found["end"] or (not at and not PORT.fullmatch(host)):
        raise UserError(
            f"in the address of MLflow ({found['scheme']}...), `/`, `?`, `#` and `@` of a password are written %2F, %3F, %23 "
            f"and %40; write them so, or leave the password out and set {USERNAME} and {PASSWORD}"
        )
    user, colon, password = info.partition(":")
    return _Parts(found["scheme"], user, password if colon else None, host, found["path"], (found["query"] or "")[1:])
