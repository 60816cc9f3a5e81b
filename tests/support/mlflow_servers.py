"""A real MLflow server on this machine, and a door in front of it that asks for a user and a password."""

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
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STARTS_S = 120.0
HOP = {"host", "connection", "content-length", "transfer-encoding", "authorization"}


@dataclass
class Server:
    """A running server. `stop` lets it accept connections and answer none; `kill` ends it."""

    uri: str
    process: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGSTOP)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def mlflow_server(folder: Path) -> Iterator[Server]:
    """Run a server with its database and artifacts in `folder`."""
    port = _free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    settings = {**os.environ, **quiet, "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=settings, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        _await(server)
        yield server
    finally:
        if process.poll() is None:
            server.kill()


def _await(server: Server) -> None:
    deadline = time.monotonic() + STARTS_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            urllib.request.urlopen(f"{server.uri}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("the MLflow server did not start")


class Door(BaseHTTPRequestHandler):
    """Forwards requests with the right credentials to the server at `host`."""

    protocol_version = "HTTP/1.1"
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
def guarded(server: Server, user: str, password: str) -> Iterator[int]:
    """Forward requests with this user and password, and answer 401 to others. Yield the port."""
    right = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    handler = type("Handler", (Door,), {"right": right, "host": server.uri.removeprefix("http://")})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as door:
        door.daemon_threads = True
        thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield int(door.server_address[1])
        door.shutdown()
        thread.join()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
