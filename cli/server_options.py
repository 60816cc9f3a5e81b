"""Options of every command that talks to a Kubeflow Pipelines server."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import UserError

if TYPE_CHECKING:
    from pipelines.server.client import Server

HOST_ENV = "KF_PIPELINES_ENDPOINT"

Host = Annotated[
    str | None, typer.Option("--host", metavar="URL", help=f"The server, e.g. https://NAME/pipeline; or {HOST_ENV}.")
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", metavar="NS", help="Yours, where the server has one for every user.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="A token to log in with; or KF_PIPELINES_TOKEN itself."),
]
Cookies = Annotated[
    str | None,
    typer.Option("--cookies", metavar="TEXT", help="NAME=VALUE of a browser's session; or KF_PIPELINES_COOKIES."),
]


def address(host: str | None) -> str:
    """The server's address, from the option or the environment. Raises UserError."""
    from pipelines.server.client import checked_host

    given = host or os.environ.get(HOST_ENV)
    if not given:
        raise UserError(f"a server has to be named: --host URL, or {HOST_ENV}")
    return checked_host(given)


def server_at(host: str | None, namespace: str | None, token_file: Path | None, cookies: str | None) -> "Server":
    """The server that the options name; nothing has been asked of it yet. Raises UserError."""
    from pipelines.server.client import Server
    from pipelines.server.credentials import find_credential

    return Server(address(host), find_credential(token_file, cookies), namespace)
