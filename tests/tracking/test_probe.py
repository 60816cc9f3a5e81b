"""A store that is away is said within 15 s, whatever the way; wrong credentials and addresses are another error."""

import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from common.errors import Unavailable, UserError
from tracking.probe import check_answers
from tracking.store import check_store, is_missing

LONGEST_S = 10.0  # of a question; the rest of 15 s is for the start of a command


def refusal(uri: str, check: Callable[[str], None] = check_store) -> UserError:
    """Return the error about a store, which came in time and in one line."""
    started = time.monotonic()
    with pytest.raises(UserError) as caught:
        check(uri)
    assert time.monotonic() - started < LONGEST_S
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def assert_away(uri: str, why: str, check: Callable[[str], None] = check_store) -> None:
    error = refusal(uri, check)
    assert isinstance(error, Unavailable)
    assert error.exit_code == 1
    assert f"cannot be reached: {why}" in str(error)
    assert "run the same command again" in str(error)


class Failing(BaseHTTPRequestHandler):
    """Answers the first `failures` requests with an error, and the others as an MLflow server without experiments."""

    status, failures, asked = 502, 1000, 0

    def do_GET(self) -> None:
        type(self).asked += 1
        failed = type(self).asked <= self.failures
        self.send_response(self.status if failed else 200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start servers that fail."""
    started: list[ThreadingHTTPServer] = []

    def start(**settings: int) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Failing,), settings))
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        started.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a process that accepts connections and never answers, as a stopped server does."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listening:
        yield listening.getsockname()[1]


def test_a_closed_port() -> None:
    assert_away("http://127.0.0.1:9", "connection refused")


def test_an_unknown_host() -> None:
    assert_away("http://mlflow.invalid:5000", "no such host")


def test_a_server_that_never_answers(silent: int) -> None:
    assert_away(f"http://127.0.0.1:{silent}", "no answer in time")


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_that_answers_with_errors(serve: Callable[..., str], status: int) -> None:
    assert_away(serve(status=status), str(status))


def test_a_server_that_failed_twice_is_not_away(serve: Callable[..., str]) -> None:
    check_store(serve(failures=2))


def test_a_server_without_tls(serve: Callable[..., str]) -> None:
    assert_away(serve().replace("http:", "https:"), "it does not speak TLS")


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        assert_away(f"https://127.0.0.1:{server.server_address[1]}", "its certificate is not trusted")
        server.shutdown()
        thread.join()


def test_a_locked_sqlite_database(store: str) -> None:
    check_store(store)
    with sqlite3.connect(store.removeprefix("sqlite:///"), isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert_away(store, "another process has locked its database")
        other.execute("ROLLBACK")
    other.close()
    check_store(store)


def test_a_missing_sqlite_database_is_not_created(store: str) -> None:
    check_answers(store)
    check_store(store, prepare=False)
    assert is_missing(store)


@pytest.mark.parametrize("driver", ["psycopg2", "pymysql"])
def test_a_database_that_does_not_answer(driver: str, silent: int) -> None:
    pytest.importorskip(driver)
    scheme = {"psycopg2": "postgresql+psycopg2", "pymysql": "mysql+pymysql"}[driver]
    assert_away(f"{scheme}://me:s3cret@127.0.0.1:9/db", "connection refused", check_answers)
    error = refusal(f"{scheme}://me:s3cret@127.0.0.1:{silent}/db", check_answers)
    assert isinstance(error, Unavailable)
    assert "s3cret" not in str(error)


def test_a_database_without_a_driver_is_bad_input() -> None:
    error = refusal("postgresql+nodriver://me:s3cret@127.0.0.1:9/db")
    assert error.exit_code == 2
    assert "cannot be used" in str(error)
    assert "s3cret" not in str(error)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_bad_input_and_not_away(serve: Callable[..., str], status: int) -> None:
    uri = serve(status=status)
    check_answers(uri)
    assert refusal(uri).exit_code == 2
