"""A checkpoint at an address of a real server: downloaded once and completely despite broken connections, or refused."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from common.errors import UserError
from model import checkpoint_file
from model.checkpoint_file import TRIES, forget, local, sha256

CONTENT = bytes(range(256)) * 4000


@dataclass
class Server:
    """The served content, the bytes after which each of the next answers breaks off, and the requested `ranges`."""

    address: str = ""
    content: bytes = CONTENT
    breaks: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    knows_ranges: bool = True


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(checkpoint_file, "CACHE", tmp_path / "cache")
    serves = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            serves.ranges.append(asked)
            version = f'"{hash(serves.content)}"'
            if self.path != "/a.pt":
                self.send_error(404)
                return
            goes_on = asked is not None and serves.knows_ranges and self.headers["If-Range"] == version
            rest = serves.content[int(asked[6:-1]) :] if goes_on else serves.content
            self.send_response(206 if goes_on else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.send_header("ETag", version)
            self.end_headers()
            self.wfile.write(rest[: serves.breaks.pop(0)] if serves.breaks else rest)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        serves.address = f"http://127.0.0.1:{running.server_port}/a.pt"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield serves
        running.shutdown()
        thread.join()


def test_concurrent_requests_download_once(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(local, [server.address] * 4))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert server.ranges == [None]


def test_a_broken_connection_continues_at_the_last_byte(server: Server) -> None:
    server.breaks = [1000, 500_000]
    assert local(server.address).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-", "bytes=501000-"]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_parts_of_two_files_are_never_joined(server: Server, knows_ranges: bool) -> None:
    server.breaks, server.knows_ranges = [1000], knows_ranges
    send, changed = server.ranges, CONTENT[::-1]

    class Noting(list[str | None]):
        def append(self, asked: str | None) -> None:
            send.append(asked)
            server.content = changed if asked else CONTENT

    server.ranges = Noting()
    assert local(server.address).read_bytes() == changed
    assert send == [None, "bytes=1000-"]


def test_an_incomplete_download_is_refused_and_leaves_nothing(server: Server) -> None:
    server.breaks = [10] * TRIES
    with pytest.raises(
        UserError, match=f"the connection broke {TRIES} times, the last time after 50 of 1024000 bytes; give a"
    ):
        local(server.address)
    missing = server.address.replace("a.pt", "b.pt")
    with pytest.raises(UserError, match=r"b\.pt cannot be downloaded: HTTP Error 404: Not Found; give a path"):
        local(missing)
    assert not [path for path in checkpoint_file.CACHE.iterdir() if path.suffix != ".lock"]
    assert local(server.address).read_bytes() == CONTENT


def test_a_download_is_cached_until_it_is_forgotten(server: Server) -> None:
    before = sha256(server.address)
    server.content = CONTENT[::-1]
    assert sha256(server.address) == before
    forget(server.address)
    assert sha256(server.address) != before
