"""The connection to a Kubeflow Pipelines server: its address, its credential, and one checked request at a time.

The client uses kfp's generated API and not `kfp.Client`. The constructor of `kfp.Client` asks the server up to five times,
with a traceback for each failure, and may write to ~/.config/kfp. Its methods print, ignore namespaces when they look for
pipelines, and wait without a timeout. It reads a login page in HTML as an empty answer, not as an error.
"""

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kfp_server_api

from common.errors import UserError
from pipelines.server.credentials import Credential
from pipelines.server.errors import FAULTS, not_kubeflow, translated

TIMEOUTS_S = (10, 60)  # for the connection, and for the answer


def checked_host(text: str) -> str:
    """Return the address of a server without a slash at its end. Raises UserError if it is not a plain http(s) address."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or not text.isprintable() or " " in text:
        raise UserError(f"a host is an address such as https://NAME/pipeline or http://localhost:8080; got {text!r}")
    if parts.username is not None or parts.query or parts.fragment or "#" in text or "?" in text:
        bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
        raise UserError(f"a host has no user, ? or #; give {bare}")
    return text.rstrip("/")


class Connection:
    """A connection to one server. Raises the errors of `pipelines.server.errors`, and UserError for unusable settings."""

    def __init__(self, host: str, credential: Credential, namespace: str | None = None) -> None:
        self.host, self.credential, self.namespace = host, credential, namespace
        self.api = kfp_server_api.ApiClient(_configuration(host, credential), cookie=credential.cookies)

    def in_namespace(self) -> dict[str, str]:
        """Return the field of a request that selects the namespace."""
        return {} if self.namespace is None else {"namespace": self.namespace}

    def call(self, method: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Send one request. The generated code reads any text as an empty object, so this method checks the answer again."""
        try:
            answer = method(*arguments, _request_timeout=TIMEOUTS_S, **more)
        except kfp_server_api.ApiTypeError:
            raise  # the mistake is in our request
        except FAULTS as error:
            raise translated(error, self.host, self.credential) from error
        response = self.api.last_response
        with contextlib.suppress(ValueError):
            if isinstance(json.loads(response.data), dict):
                return answer
        kind = (response.getheader("content-type") or "no type").partition(";")[0]
        raise not_kubeflow(self.host, f"a page of {kind} (perhaps a login, for {self.credential.name})")


def _configuration(host: str, credential: Credential) -> kfp_server_api.Configuration:
    configuration = kfp_server_api.Configuration(host=host)
    # urllib3 would repeat the request at once, with a line in the log, and would follow a redirection to a login page.
    configuration.retries = False
    authority = os.environ.get("SSL_CERT_FILE")
    if authority and not Path(authority).is_file():
        raise UserError(
            f"SSL_CERT_FILE must name a file of certificates, and {authority} is not a file; correct it, or unset it"
        )
    configuration.ssl_ca_cert = authority
    if (token := credential.token) is not None:

        def fill(target: kfp_server_api.Configuration) -> None:
            target.api_key["authorization"] = token()

        fill(configuration)
        configuration.api_key_prefix["authorization"] = "Bearer"
        configuration.refresh_api_key_hook = fill
    return configuration
