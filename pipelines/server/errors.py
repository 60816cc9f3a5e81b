"""Errors in the exchange with a Kubeflow Pipelines server, each with a text of one sentence."""

import json
from typing import Any

import urllib3
from kfp_server_api.rest import ApiException

from common.errors import Unavailable, UserError
from pipelines.server.credentials import Credential

LONGEST = 300  # characters of a message of the server


class Unreachable(Unavailable):
    """No connection. A repetition may help if there was a connection before."""


class Denied(Unavailable):
    """Status 401 or 403, or a login page."""


class NotKubeflow(UserError):
    """A server that answers, but not by the API of Kubeflow."""


class Rejected(UserError):
    """A request that the server understood and refused; `status` is 400 to 499."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class ServerFailed(Exception):
    """A failure of the server. A repetition may help."""


# Exceptions of the generated client, and those that an answer outside of the API causes in it.
FAULTS = (ApiException, urllib3.exceptions.HTTPError, UnicodeDecodeError, AttributeError, TypeError)


def translated(error: Exception, host: str, credential: Credential) -> Exception:
    """Return one of the errors above for an exception of FAULTS."""
    if isinstance(error, AttributeError) and isinstance(error.__context__, ApiException):
        return _unreachable(host, str(error.__context__.reason))  # TLS failed, and there is no body to decode
    if isinstance(error, urllib3.exceptions.HTTPError):
        return _unreachable(host, str(error))
    if isinstance(error, ApiException) and error.status:
        return _from_status(error, host, credential)
    return not_kubeflow(host, "what is not JSON of the API")


def _unreachable(host: str, reason: str) -> Unreachable:
    """Return the error for a fault below HTTP: names, connections, certificates, timeouts."""
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return Unreachable(
            f"the certificate of {host} is not trusted; set SSL_CERT_FILE to the file of your certificate authority"
        )
    why = next((short for mark, short in _WHY if mark in reason), " ".join(reason.split())[:LONGEST])
    return Unreachable(f"no connection to {host}: {why}; check --host, and that the port is forwarded or exposed")


_WHY = [
    ("Connection refused", "connection refused"),
    ("Name or service not known", "no such host"),
    ("Temporary failure in name resolution", "no such host"),
    ("nodename nor servname", "no such host"),
    ("No address associated", "no such host"),
    ("timed out", "timeout"),
    ("WRONG_VERSION_NUMBER", "it does not use TLS; try http:// instead of https://"),
    ("Connection aborted", "the connection broke"),
    ("IncompleteRead", "the connection broke"),
    ("Network is unreachable", "network is unreachable"),
]


def _from_status(answer: ApiException, host: str, credential: Credential) -> Exception:
    """Return the error for a status that is not a success."""
    status, said = answer.status, _message(answer.body)
    detail = f" ({said})" if said else ""
    if 300 <= status < 400:
        return _moved((answer.headers or {}).get("location", ""), host, credential)
    if status in (401, 403):
        name = {401: "401 Unauthorized", 403: "403 Forbidden"}[status]
        return Denied(f"{host} answers {name} to {credential.name}{detail}; {credential.remedy}")
    if status >= 500 or status == 429:
        return ServerFailed(f"{host} failed with HTTP status {status}{detail}")
    if status == 404 and said is None:
        return not_kubeflow(host, "404 Not Found")
    return Rejected(f"{host} refuses with HTTP status {status}{detail}; see `ablate submit --help`", status)


def _moved(location: str, host: str, credential: Credential) -> Exception:
    """Return the error for a redirection: to another address, or to a login. The client never sends a credential there."""
    before, api, _ = location.partition("/apis/v2beta1/")
    if api and before.startswith(("http://", "https://")):
        return NotKubeflow(f"{host} has moved to {before}; give that address as --host")
    return Denied(f"{host} requires a login, and the request had {credential.name}; {credential.remedy}")


def not_kubeflow(host: str, what: str) -> NotKubeflow:
    """Return the error for another web server, or for the right one at another path."""
    remedy = "give the address at which /apis/v2beta1/healthz answers, in full Kubeflow https://NAME/pipeline"
    return NotKubeflow(f"{host} is not a Kubeflow Pipelines server: it answers with {what}; {remedy}")


def _message(body: Any) -> str | None:
    """Return the message of the server on one line; None if the body is not of the API."""
    try:
        answer = json.loads(body)
    except (TypeError, ValueError):
        return None
    if not isinstance(answer, dict):
        return None
    return " ".join(str(answer.get("message") or answer.get("error") or "").split())[:LONGEST]
