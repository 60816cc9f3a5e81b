"""Errors in the exchange with a Kubeflow Pipelines server, each with a text of one sentence."""

import json

import urllib3
from kfp_server_api.rest import ApiException

from common.errors import Unavailable, UserError
from pipelines.server.credentials import Credential

LONGEST = 300  # characters of a message of the server
# Marks of a mistake of the user in an answer with status 500: the server finds it late, and does not know that it is one.
MISTAKES = (
    "Invalid input error",
    "Failed to compile job",
    "Failed to validate workflow",
    "length cannot exceed",
    "Data too long for column",
    "Incorrect string value",  # a character that the server's database cannot store
    "ResourceNotFoundError",
    "Already exist error",
)
FORBIDDEN = ("is not authorized", "PermissionDenied", "Unauthenticated")  # also with status 400, for uploads


class Unreachable(Unavailable):
    """No connection. A repetition may help if there was a connection before."""


class Denied(Unavailable):
    """Status 401 or 403, or a login page."""


class NotKubeflow(UserError):
    """A server that answers, but not by the API of Kubeflow."""


class Rejected(UserError):
    """A request that the server understood and refused; `status` is 400 to 499, or 500 with one of MISTAKES."""

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
    status, said = answer.status, _message(answer)
    detail = f" ({_end(said)})" if said else ""
    if 300 <= status < 400:
        return _moved((answer.headers or {}).get("location", ""), host, credential)
    if status in (401, 403) or any(mark in (said or "") for mark in FORBIDDEN):
        name = {401: "401 Unauthorized", 403: "403 Forbidden"}.get(status, f"HTTP status {status}")
        return Denied(f"{host} answers {name} to {credential.name}{detail}; {credential.remedy}")
    mistake = any(mark in (said or "") for mark in MISTAKES)
    if (status >= 500 and not mistake) or status == 429:
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


def _message(answer: ApiException) -> str | None:
    """Return what the server says, on one line; None if the body is not of the API.

    Below 500, `details` holds the sentence alone. With 500 it is always "Internal Server Error", and `message` holds a
    chain of causes. An upload answers with `error_message`, or with plain text.
    """
    try:
        body = json.loads(answer.body)
    except (TypeError, ValueError):
        return _plain(answer)
    if not isinstance(body, dict):
        return None
    details = body.get("details") or [{}]
    short = details[0].get("message") if isinstance(details, list) and isinstance(details[0], dict) else None
    said = (answer.status < 500 and short) or body.get("message") or body.get("error_message") or body.get("error")
    return " ".join(str(said or "").split())


def _plain(answer: ApiException) -> str | None:
    """Return a body of plain text, without the text of a web server for an address that it does not have."""
    kind = str((answer.headers or {}).get("content-type", ""))
    if answer.status == 404 or not kind.startswith("text/plain") or not isinstance(answer.body, str):
        return None
    return " ".join(answer.body.split())


def _end(text: str) -> str:
    """Return a text, or the end of a long one: a chain of causes ends with the first cause."""
    return text if len(text) <= LONGEST else f"... {text[-LONGEST:]}"
