"""A place in S3 for a corpus or a plan, and one sentence for each error of a server.

Any server that speaks S3 works. Its address and credentials are in ABLATE_S3_* (`common.own_store`). For what is not set there,
boto3 reads AWS_ENDPOINT_URL_S3 and finds credentials in its usual chain (environment, profile, web identity, instance).
"""

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as NoConnection
from s3transfer.exceptions import RetriesExceededError

from common.errors import Unavailable, UserError
from common.http_answers import can_pass
from common.own_store import ACCESS_KEY, ENDPOINT, REGION, SECRET_KEY, USUAL, OwnStore

SCHEME = "s3"
CONNECTIONS = 16  # at a time, for all files together; a transfer has parts of 8 MiB
_AWAY = (NoConnection, HTTPClientError, IncompleteReadError, RetriesExceededError)
_NO_CREDENTIALS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
_FALSE_KEYS = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "AuthFailure")
_STALE = ("ExpiredToken", "InvalidToken", "TokenRefreshRequired", "RequestTimeTooSkewed")
_FORBIDDEN = ("AccessDenied", "AllAccessDisabled", "403", "Forbidden")
_OTHER_REGION = ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301")


@dataclass(frozen=True)
class Place:
    """`s3://bucket/prefix`. The files of a corpus are the keys below the prefix."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, uri: str) -> "Place":
        """Raises UserError for another scheme, an invalid bucket name, a missing prefix, and options."""
        found = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/+([^?#]*[^?#/])/*", uri)
        if found is None:
            rule = "a place in S3 is s3://bucket/prefix, without options"
            raise UserError(f"{rule}; got {uri!r}; a bucket has 3 to 63 small letters, digits, dots and hyphens")
        return cls(*found.groups())

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def key(self, name: str) -> str:
        """Return the key of a file of the corpus."""
        return f"{self.prefix}/{name}"


@contextmanager
def connection(place: Place) -> Iterator[Any]:
    """Yield the S3 client of boto3. An error of boto3 inside the block becomes a UserError, and Unavailable if it can pass."""
    own = OwnStore.read()
    server = own.settings.get(ENDPOINT) or os.environ.get(USUAL[ENDPOINT][0]) or "S3"
    try:
        client = _client(own)
        server = client.meta.endpoint_url
        yield client
    except ClientError as error:
        kind = Unavailable if _can_pass(error) else UserError
        raise kind(_refusal(error, place, server, own)) from error
    except _NO_CREDENTIALS as error:
        remedy = f"set {ACCESS_KEY} and {SECRET_KEY}, or what boto3 reads: {_keys(own)}, or AWS_PROFILE"
        raise UserError(f"{place} needs credentials for S3 ({_without_period(error)}): {remedy}") from error
    except _AWAY as error:
        cause = getattr(error, "last_exception", error)  # a download that failed wraps its last error
        check = f"check {own.name_of(ENDPOINT)} and the network"
        remedy = f"{check}, then rerun the command: files that have arrived whole are kept"
        raise Unavailable(f"{place} cannot be reached at {server} ({_without_period(cause)}): {remedy}") from error
    except BotoCoreError as error:
        raise UserError(
            f"{place} cannot be used, since boto3 refuses its settings ({_without_period(error)}): correct them in the "
            "environment, or in the files of AWS's command line"
        ) from error


def _client(own: OwnStore) -> Any:
    """Return a client with a new session. The default session of boto3 keeps old credentials after a change."""
    settings = Config(connect_timeout=10, read_timeout=60, max_pool_connections=CONNECTIONS)
    try:
        return boto3.Session().client("s3", config=settings, **own.for_client())
    except ValueError as error:
        name = own.name_of(ENDPOINT)
        raise UserError(f"{name} is an address like http://host:8333; boto3 says: {error}; correct it") from error


def _keys(own: OwnStore) -> str:
    return f"{own.name_of(ACCESS_KEY)} and {own.name_of(SECRET_KEY)}"


def read_object(place: Place, most: int) -> bytes:
    """Return the first `most` bytes of the object at a place. Raises UserError, also if there is no object."""
    with connection(place) as client:
        try:
            with closing(client.get_object(Bucket=place.bucket, Key=place.prefix)["Body"]) as body:
                return bytes(body.read(most))
        except ClientError as error:
            if missing(error):
                raise UserError(f"there is nothing at {place}; check its address") from error
            raise


def missing(error: ClientError) -> bool:
    """Return True if the object does not exist. A bucket that does not exist is another error."""
    return error.response["Error"]["Code"] in ("NoSuchKey", "404", "NotFound")


def _can_pass(error: ClientError) -> bool:
    """Return whether the server has failed or is busy, so that the same request can succeed later."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return can_pass(status) or error.response["Error"]["Code"] == "RequestTimeout"  # whose status is 400


def _refusal(error: ClientError, place: Place, server: str, own: OwnStore) -> str:
    code, says = error.response["Error"]["Code"], error.response["Error"].get("Message") or "no reason given"
    if code == "NoSuchBucket":
        return f"{server} has no bucket {place.bucket!r}: create it, or correct {place}"
    if code in _FALSE_KEYS:
        return f"{server} does not accept these credentials ({code}): check {_keys(own)}"
    if code in _STALE:
        return f"{server} does not accept these credentials any more ({code}): renew them, or set the clock of this machine"
    if code in _FORBIDDEN:
        return f"{server} does not let these credentials use {place} ({code}): ask for permission to list, read and write there"
    if code in _OTHER_REGION:
        return f"the bucket {place.bucket!r} is in another region ({code}): set {own.name_of(REGION)}"
    later = ": run the command again later" if _can_pass(error) else ""
    return f"{server} refused {error.operation_name} for {place} ({code}: {_without_period(says)}){later}"


def _without_period(text: object) -> str:
    return str(text).strip().rstrip(".")
