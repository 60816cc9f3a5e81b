"""A real MLflow server on SQLite that can be paused, killed and started again, and a proxy that spoils its answers."""

import http.client
import http.server
import os
import random
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

STARTS_S = 120.0
UPSTREAM_S = 120.0
ARTIFACTS = "/mlflow-artifacts/artifacts/"
HOP = ("host", "transfer-encoding", "connection", "content-length")
ERRORS, LOST, LATE, DELAY, NO_ARTIFACTS, NONE = "errors", "lost", "late", "delay", "no-artifacts", "none"


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass
class MlflowServer:
    """Context manager. The database and the artifacts stay in the folder when the server is killed."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def address(self) -> str:
        """The address that clients use."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        """The file of the store."""
        return self.folder / "mlflow.db"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.signal(signal.SIGCONT)
        self.kill()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        places = [
            "--backend-store-uri",
            f"sqlite:///{self.database}",
            "--artifacts-destination",
            str(self.folder / "files"),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *places, "--workers", "1"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                start_new_session=True,
            )
        deadline = time.monotonic() + STARTS_S
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"MLflow did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=5):
                return True
        except OSError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server and its workers: SIGSTOP makes it accept connections and never answer."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """Kill it, as a lost machine: connections are refused from then on."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()


@dataclass
class FaultProxy:
    """Context manager: an HTTP proxy in front of a server that does harm to some requests, chosen by a seed.

    errors: answers 500 or 502 and does not pass the request on. lost: passes it on, then cuts the connection without an answer.
    late: passes it on, then answers 502. delay: passes it on after `amount` seconds. no-artifacts: answers 502 to downloads.
    `amount` is the share of requests for the others. `done` counts what became of the requests. S3 signs the name of the host, so
    for it the requests keep theirs.
    """

    upstream: int
    mode: str
    amount: float = 0.0
    seed: int = 1
    keep_host: bool = False
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance, self._lock = random.Random(self.seed), threading.Lock()

    @property
    def address(self) -> str:
        """The address that clients use."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def harms(self, method: str, path: str) -> bool:
        """Draw whether this request is one of those that suffer."""
        if self.mode == NO_ARTIFACTS:
            return method == "GET" and ARTIFACTS in path
        with self._lock:
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
