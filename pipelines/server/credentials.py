"""Credentials for a Kubeflow Pipelines server: a token, the cookies of a session, or none."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import UserError

TOKEN_ENV, COOKIES_ENV = "KF_PIPELINES_TOKEN", "KF_PIPELINES_COOKIES"
VOLUME_ENV = "KF_PIPELINES_SA_TOKEN_PATH"  # kfp's own name for the mount path of the volume
VOLUME = "/var/run/secrets/kubeflow/pipelines/token"
HOW = f"give a token by --token-file or {TOKEN_ENV}, or the cookies of a browser session by --cookies"


@dataclass(frozen=True)
class Credential:
    """A credential. `name` says in messages where it comes from; the secret itself is in no message."""

    name: str
    token: Callable[[], str] | None = field(default=None, repr=False)
    cookies: str | None = field(default=None, repr=False)

    @property
    def remedy(self) -> str:
        """The remedy if the server does not accept the credential."""
        if self.token is None and self.cookies is None:
            return HOW
        return "it may have expired, or may lack a permission; get a new one, or ask the administrator"


def find_credential(token_file: Path | None, cookies: str | None) -> Credential:
    """Return the credential of the options, else of the environment, else of the service account of a pod.

    Raises UserError for two options at once, and for a file without a token.
    """
    if token_file is not None and cookies is not None:
        raise UserError("a server accepts one credential; give either --token-file or --cookies")
    if token_file is not None:
        return _from_file(f"the token in {token_file}", token_file)
    if cookies is not None:
        return Credential("the cookies of --cookies", cookies=_one_line(cookies, "--cookies"))
    if token := os.environ.get(TOKEN_ENV):
        token = _one_line(token, TOKEN_ENV)
        return Credential(f"the token in {TOKEN_ENV}", token=lambda: token)
    if cookies := os.environ.get(COOKIES_ENV):
        return Credential(f"the cookies in {COOKIES_ENV}", cookies=_one_line(cookies, COOKIES_ENV))
    volume = Path(os.environ.get(VOLUME_ENV) or VOLUME)
    if volume.is_file():
        return _from_file(f"the service account token in {volume}", volume)
    return Credential("no credential")


def _from_file(name: str, path: Path) -> Credential:
    """Return a credential that reads the file for every request, because a file may get a new token during a wait."""

    def token() -> str:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise UserError(f"a file with a token must be readable, and {path} cannot be read: {reason}") from error
        return _one_line(text, str(path))

    token()
    return Credential(name, token=token)


def _one_line(text: str, source: str) -> str:
    """Return text that a header can hold. Raises UserError for empty text, several lines, and characters beyond ASCII."""
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable():
        problem = "is empty" if not text else "has more than one line, or characters that a header cannot hold"
        raise UserError(f"a credential is one line of ASCII; {source} {problem}")
    return text
