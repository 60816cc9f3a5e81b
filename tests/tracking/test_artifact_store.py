"""What is said of an MLflow server whose artifacts have nowhere to go, by servers that really answer so."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from common.errors import UserError
from tracking.artifact_store import check_artifacts

Serve = Callable[[int, str], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers everything with one status and text; gives its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, text: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://ann:secret@127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_store_of_artifacts_that_fails_is_told_apart(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracking.artifact_store.RETRIES", 0)
    with pytest.raises(UserError, match=r"cannot use its artifact store \(500: no bucket\)"):
        check_artifacts(serve(500, "no bucket"), "mlflow-artifacts:/1/abc/artifacts")
    check_artifacts(serve(200, '{"files": []}'), "mlflow-artifacts:/1/abc/artifacts")
    check_artifacts("http://127.0.0.1:1", "s3://bucket/1/abc/artifacts")  # clients go there themselves
