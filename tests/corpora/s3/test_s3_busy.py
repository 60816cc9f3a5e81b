"""A server of S3 that fails may succeed later; one that refuses has bad input."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from common.errors import UserError
from corpora.s3.place import Place, read_object

ANSWERS = {
    "SlowDown": (503, 1),
    "InternalError": (500, 1),
    "TooManyRequests": (429, 1),
    "AccessDenied": (403, 2),
    "NoSuchBucket": (404, 2),
    "InvalidRequest": (400, 2),
}


class Refusing(BaseHTTPRequestHandler):
    """Answers every request with the error that its key names, in the form of S3."""

    def do_GET(self) -> None:
        code = self.path.rpartition("/")[2].partition("?")[0]
        body = f"<Error><Code>{code}</Code><Message>no.</Message></Error>".encode()
        self.send_response(ANSWERS[code][0])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def _refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # boto3 waits between its tries
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "any")
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("_refusing")
@pytest.mark.parametrize("code", list(ANSWERS))
def test_only_an_error_that_can_pass_is_not_bad_input(code: str) -> None:
    with pytest.raises(UserError) as caught:
        read_object(Place("bucket", code), 10)
    assert caught.value.exit_code == ANSWERS[code][1]
    assert len(str(caught.value).splitlines()) == 1
