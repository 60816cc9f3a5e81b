"""A proxy in front of a real server that spoils its answers, as a bad network does."""

import http.client
import http.server
import random
import socket
import socketserver
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

UPSTREAM_S = 120.0
ARTIFACTS = "/mlflow-artifacts/artifacts/"
HOP = ("host", "transfer-encoding", "connection", "content-length")
ERRORS, LOST, LATE, DELAY, NO_ARTIFACTS, NONE = "errors", "lost", "late", "delay", "no-artifacts", "none"


@dataclass
class FaultProxy:
    """Context manager: an HTTP proxy in front of a server that does harm to some requests, chosen by a seed.

    errors: answers 500 or 502 and does not pass the request on. lost: passes it on, then cuts the connection without an answer.
    late: passes it on, then answers 502. delay: passes it on after `amount` seconds. no-artifacts: answers 502 to downloads.
    `amount` is the share of requests for the others; the first POST to each path in `once` suffers in any case. A path is the part
    behind `mlflow/`. `done` counts what became of the requests, and `seen` the requests as "METHOD path". S3 signs the name of the
    host, so for it the requests keep theirs.
    """

    upstream: int
    mode: str
    amount: float = 0.0
    seed: int = 1
    keep_host: bool = False
    once: set[str] = field(default_factory=set)
    done: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance, self._lock = random.Random(self.seed), threading.Lock()

    @property
    def address(self) -> str:
        """The address that clients use."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def harms(self, method: str, path: str) -> bool:
        """Draw whether this request is one of those that suffer."""
        if self.mode == NO_ARTIFACTS:
            return method == "GET" and ARTIFACTS in path
        short = path.partition("?")[0].rpartition("mlflow/")[2]
        with self._lock:
            self.seen[f"{method} {short}"] += 1
            if method == "POST" and short in self.once:
                self.once.discard(short)
                return True
            return self.mode == DELAY or (self.mode != NONE and self._chance.random() < self.amount)

    def count(self, what: str) -> None:
        """Count a request."""
        with self._lock:
            self.done[what] += 1


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: FaultProxy

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed has closed its connection."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client to acknowledge its head
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def _serve(self) -> None:
        proxy, body = self.server.proxy, self._body()
        harmed = proxy.harms(self.command, self.path)
        if harmed and proxy.mode in (ERRORS, NO_ARTIFACTS):
            proxy.count(proxy.mode)
            self._answer(502 if len(body) % 2 or proxy.mode == NO_ARTIFACTS else 500, {}, b"<html>bad gateway</html>")
            return
        if harmed and proxy.mode == DELAY:
            time.sleep(proxy.amount)
        try:
            status, headers, content = self._ask(body)
        except OSError as error:
            proxy.count("upstream away")
            self._answer(502, {}, str(error).encode())
            return
        proxy.count(proxy.mode if harmed else "well")
        if harmed and proxy.mode == LOST:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif harmed and proxy.mode == LATE:
            self._answer(502, {}, b"<html>bad gateway</html>")
        else:
            self._answer(status, headers, content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.proxy.upstream, timeout=UPSTREAM_S)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
            headers |= {"Host": self.headers["Host"]} if self.server.proxy.keep_host else {}
            upstream.request(self.command, self.path, body or None, headers | {"Content-Length": str(len(body))})
            answer = upstream.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            upstream.close()

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815
