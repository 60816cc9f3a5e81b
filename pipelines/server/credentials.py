"""Who we are to a Kubeflow Pipelines server: a token, a session's cookies, or nobody."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import UserError

TOKEN_ENV, COOKIES_ENV = "KF_PIPELINES_TOKEN", "KF_PIPELINES_COOKIES"
VOLUME_ENV = "KF_PIPELINES_SA_TOKEN_PATH"  # kfp's own name for where the volume is mounted
VOLUME = "/var/run/secrets/kubeflow/pipelines/token"
HOW = f"give a token by --token-file or {TOKEN_ENV}, or a browser session's cookies by --cookies"


@dataclass(frozen=True)
class Credential:
    """`name` says in messages where it is from; the secret itself appears in none."""

    name: str
    token: Callable[[], str] | None = field(default=None, repr=False)
    cookies: str | None = field(default=None, repr=False)

    @property
    def remedy(self) -> str:
        """What to do where the server does not accept it."""
        if self.token is None and self.cookies is None:
            return HOW
        return "it may have expired, or may lack the right; get a new one, or ask who runs the server"


def find_credential(token_file: Path | None, cookies: str | None) -> Credential:
    """What was asked for, else what the environment offers, else what a pod in the cluster has mounted.

    Raises UserError for two at once, and for a file that holds no token.
    """
    if token_file is not None and cookies is not None:
        raise UserError("a server is told one identity; give either --token-file or --cookies")
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
    """Read again for every request: tokens in files are renewed while a run is waited for."""

    def token() -> str:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise UserError(f"a token is read from a file, and {path} cannot be read: {reason}") from error
        return _one_line(text, str(path))

    token()
    return Credential(name, token=token)


def _one_line(text: str, source: str) -> str:
    """What may stand in a header. Raises UserError for nothing, for more lines, and for what is not ASCII."""
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable():
        problem = "is empty" if not text else "holds more than one line, or characters that no header may have"
        raise UserError(f"a credential is one line of ASCII; {source} {problem}")
    return text
