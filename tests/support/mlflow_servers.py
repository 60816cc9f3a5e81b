"""A real MLflow server on SQLite that can be paused, killed and started again, and a door before it that asks for a password."""

import base64
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ready_store import copy_database

STARTS_S = 120.0
HOP = {"host", "connection", "content-length", "transfer-encoding", "authorization"}


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
        copy_database(self.database)
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


class Door(BaseHTTPRequestHandler):
    """Forwards requests with the right credentials to the server at `host`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client to acknowledge its head
    right, host = "", ""

    def do_GET(self) -> None:
        body = self._body()
        if self.headers.get("Authorization") == self.right:
            self._forward(body)
        else:
            self._answer(401, [], b"You are not authenticated.")

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def _forward(self, body: bytes) -> None:
        headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP}
        there = http.client.HTTPConnection(self.host, timeout=60)
        try:
            there.request(self.command, self.path, body, headers)
            answer = there.getresponse()
            kept = [(key, value) for key, value in answer.getheaders() if key.lower() not in HOP]
            self._answer(answer.status, kept, answer.read())
        except OSError:
            self._answer(502, [], b"bad gateway")
        finally:
            there.close()

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def guarded(server: MlflowServer, user: str, password: str) -> Iterator[int]:
    """Forward requests with this user and password, and answer 401 to others. Yield the port."""
    right = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    handler = type("Handler", (Door,), {"right": right, "host": server.address.removeprefix("http://")})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as door:
        door.daemon_threads = True
        thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield int(door.server_address[1])
        door.shutdown()
        thread.join()
