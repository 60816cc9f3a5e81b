"""A store that cannot be used gives one sentence before any run is opened in it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from common.errors import UserError
from tracking.store import CREDENTIALS, check_store


class Refusing(BaseHTTPRequestHandler):
    status = 401

    def do_GET(self) -> None:
        body = b"You are not authenticated."
        self.send_response(self.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(params=[401, 403, 404])
def refusing(request: pytest.FixtureRequest) -> Iterator[tuple[int, str]]:
    """A status, and the port of a server that answers everything with it."""
    handler = type("Handler", (Refusing,), {"status": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield request.param, f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)


def complaint(uri: str) -> str:
    with pytest.raises(UserError) as caught:
        check_store(uri)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert "s3cret" not in said
    return said


def test_a_server_that_refuses(refusing: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    status, place = refusing
    words = {401: "asks for credentials, and there are none", 403: "answers 403 Forbidden", 404: "cannot be used"}
    assert words[status] in complaint(f"http://{place}")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
    words[401] = "does not accept the credentials; set MLFLOW_TRACKING_USERNAME"
    assert words[status] in complaint(f"http://{place}/")


def test_nobody_there() -> None:
    assert "cannot be reached: connection refused; start it or check the address" in complaint("http://me@127.0.0.1:9")


def test_an_unknown_scheme() -> None:
    assert "check `tracking_uri`" in complaint("gopher://store")


def test_a_database_is_made_ready(store: str) -> None:
    check_store(store)
    check_store(store)
