"""The statuses of HTTP after which the same request can succeed later."""

from http import HTTPStatus

BUSY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
NEVER = (HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)


def can_pass(status: int) -> bool:
    """Return whether a server with this status has failed or is busy, so that the same request can succeed later."""
    return status in BUSY or (status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in NEVER)
