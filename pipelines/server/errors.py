"""What can go wrong between us and a Kubeflow Pipelines server, each as one sentence."""

import json
from typing import Any

import urllib3
from kfp_server_api.rest import ApiException

from common.errors import Unavailable, UserError
from pipelines.server.credentials import Credential

LONGEST = 300  # characters of the server's own words


class Unreachable(Unavailable):
    """No connection; where there was one before, trying again may help."""


class Denied(Unavailable):
    """401 or 403, or the page of a login."""


class NotKubeflow(UserError):
    """Something answers, but not in the API's language."""


class Rejected(UserError):
    """The server understood, and does not do it; `status` is 400 to 499."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class ServerFailed(Exception):
    """The server's own failure; trying again may help."""


# What the generated client raises, and what it stumbles over where an answer is none of the API.
FAULTS = (ApiException, urllib3.exceptions.HTTPError, UnicodeDecodeError, AttributeError, TypeError)


def translated(error: Exception, host: str, credential: Credential) -> Exception:
    """One of the errors above for one of FAULTS."""
    if isinstance(error, AttributeError) and isinstance(error.__context__, ApiException):
        return _unreachable(host, str(error.__context__.reason))  # TLS failed, and there is no body to decode
    if isinstance(error, urllib3.exceptions.HTTPError):
        return _unreachable(host, str(error))
    if isinstance(error, ApiException) and error.status:
        return _from_status(error, host, credential)
    return not_kubeflow(host, "what is not JSON of the API")


def _unreachable(host: str, reason: str) -> Unreachable:
    """For errors below HTTP: names, connections, certificates, time-outs."""
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return Unreachable(f"the certificate of {host} is not trusted; name your authority's file in SSL_CERT_FILE")
    why = next((short for mark, short in _WHY if mark in reason), " ".join(reason.split())[:LONGEST])
    return Unreachable(f"no connection to {host}: {why}; check --host, and that its port is forwarded or exposed")


_WHY = [
    ("Connection refused", "connection refused"),
    ("Name or service not known", "no such host"),
    ("Temporary failure in name resolution", "no such host"),
    ("nodename nor servname", "no such host"),
    ("No address associated", "no such host"),
    ("timed out", "no answer in time"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS; is it http:// instead of https://?"),
    ("Connection aborted", "it broke off"),
    ("IncompleteRead", "it broke off"),
    ("Network is unreachable", "network is unreachable"),
]


def _from_status(answer: ApiException, host: str, credential: Credential) -> Exception:
    """For an answer that is no success."""
    status, said = answer.status, _words_of(answer.body)
    detail = f" ({said})" if said else ""
    if 300 <= status < 400:
        return _moved((answer.headers or {}).get("location", ""), host, credential)
    if status in (401, 403):
        did = {401: "401 Unauthorized", 403: "403 Forbidden"}[status]
        return Denied(f"{host} answers {did} to {credential.name}{detail}; {credential.remedy}")
    if status >= 500 or status == 429:
        return ServerFailed(f"{host} failed with HTTP status {status}{detail}")
    if status == 404 and said is None:
        return not_kubeflow(host, "404 Not Found")
    return Rejected(f"{host} refuses with HTTP status {status}{detail}; see `ablate submit --help`", status)


def _moved(location: str, host: str, credential: Credential) -> Exception:
    """To the same request elsewhere, or to where people log in. A credential is never sent along unasked."""
    before, api, _ = location.partition("/apis/v2beta1/")
    if api and before.startswith(("http://", "https://")):
        return NotKubeflow(f"{host} has moved to {before}; give that as --host")
    return Denied(f"{host} asks to log in, and was given {credential.name}; {credential.remedy}")


def not_kubeflow(host: str, what: str) -> NotKubeflow:
    """For a web server that is another, or the right one under another path."""
    remedy = "give the address under which /apis/v2beta1/healthz answers, in full Kubeflow https://NAME/pipeline"
    return NotKubeflow(f"{host} is no Kubeflow Pipelines server: it answers with {what}; {remedy}")


def _words_of(body: Any) -> str | None:
    """The server's own message, on one line; None where the body is none of the API's."""
    try:
        answer = json.loads(body)
    except (TypeError, ValueError):
        return None
    if not isinstance(answer, dict):
        return None
    return " ".join(str(answer.get("message") or answer.get("error") or "").split())[:LONGEST]
