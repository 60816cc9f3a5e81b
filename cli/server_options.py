"""Options of the commands that use a Kubeflow Pipelines server, and the server that they name."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.errors import UserError

if TYPE_CHECKING:
    from pipelines.server.client import Server

HOST_ENV = "KF_PIPELINES_ENDPOINT"

Host = Annotated[
    str | None,
    typer.Option("--host", metavar="URL", help=f"The server, e.g. https://NAME/pipeline; {HOST_ENV} by default."),
]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", metavar="NS", help="Your namespace, if the server has one for every user."),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file", metavar="FILE", help="A file with a bearer token; KF_PIPELINES_TOKEN holds the token itself."
    ),
]
Cookies = Annotated[
    str | None,
    typer.Option("--cookies", metavar="TEXT", help="NAME=VALUE of a browser session; KF_PIPELINES_COOKIES by default."),
]
Terminate = Annotated[
    str | None,
    typer.Option(metavar="RUN", help="End a run instead: its id, or the address of its page."),
]
PodsStore = Annotated[
    str | None,
    typer.Option("--tracking-uri", metavar="URI", help="MLflow as the pods reach it; MLFLOW_TRACKING_URI by default."),
]


def address(host: str | None) -> str:
    """Return the address of the server, from the option or the environment. Raises UserError."""
    from pipelines.server.connection import checked_host

    given = host or os.environ.get(HOST_ENV)
    if not given:
        raise UserError(f"the command needs the address of a server; give --host URL, or set {HOST_ENV}")
    return checked_host(given)


def server_at(host: str | None, namespace: str | None, token_file: Path | None, cookies: str | None) -> "Server":
    """Return the server that the options name, before any request. Raises UserError."""
    from pipelines.server.client import Server
    from pipelines.server.credentials import find_credential

    return Server(address(host), find_credential(token_file, cookies), namespace)
