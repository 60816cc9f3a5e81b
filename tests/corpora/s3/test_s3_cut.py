"""A proxy cuts a connection midway: complete files are kept, and the same command continues."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import Unavailable, UserError
from corpora.s3.index import NAME
from corpora.s3.transfer import pull, push
from corpora.schema import Clip
from corpora.writer import CorpusWriter

CLIPS = 40
MB = 1e6


class Proxy:
    """Forwards bytes to a server, counts them, and drops every connection after `allow` bytes."""

    def __init__(self, server: str) -> None:
        host, port = server.removeprefix("http://").split(":")
        self.server = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.lock, self.open = threading.Lock(), set[socket.socket]()
        self.let(float("inf"))
        threading.Thread(target=self._accept, daemon=True).start()

    def let(self, allow: float) -> None:
        """Forward another `allow` bytes, of both directions together."""
        with self.lock:
            self.allow, self.passed = allow, 0

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self.listener.accept()
                server = socket.create_connection(self.server)
                with self.lock:
                    self.open |= {caller, server}
                for pair in ((caller, server), (server, caller)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and self._may_pass(len(data)):
                target.sendall(data)
        self._drop(source, target)

    def _may_pass(self, count: int) -> bool:
        with self.lock:
            if self.passed + count > self.allow:
                self.passed = int(self.allow)
                return False
            self.passed += count
            return True

    def _drop(self, *sockets: socket.socket) -> None:
        for each in sockets:
            with self.lock, contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
                each.close()
                self.open.discard(each)

    def close(self) -> None:
        self.listener.close()
        self._drop(*list(self.open))


@pytest.fixture
def proxy(s3_server: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy between boto3 and the server. The fixture `bucket` uses the server directly."""
    assert bucket
    proxy = Proxy(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.address)
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """17 MB in 83 files."""
    path = tmp_path_factory.mktemp("cut") / "corpus"
    draw = np.random.default_rng(0)
    with CorpusWriter(path, "noise://", frames_per_shard=40) as writer:
        for number in range(CLIPS):
            video = draw.integers(0, 255, (40, 96, 96), np.uint8)
            writer.add(Clip(f"c{number}", "s1", "train", "bin", video, np.zeros(25600, np.int16)))
    return path


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_an_interrupted_download_continues(proxy: Proxy, bucket: str, corpus: Path, tmp_path: Path) -> None:
    push(corpus, f"s3://{bucket}/a")
    proxy.let(9 * MB)
    with pytest.raises(Unavailable, match=r"cannot be reached .*files that have arrived whole are kept"):
        pull(f"s3://{bucket}/a", tmp_path)
    [part] = tmp_path.glob("*.part")
    files = {path.relative_to(part) for path in part.rglob("*") if path.is_file()}
    assert files, "nothing was kept"
    assert all((part / file).read_bytes() == (corpus / file).read_bytes() for file in files), "a kept file is not whole"
    kept = size(part)
    assert 2 * MB < kept < size(corpus)
    proxy.let(float("inf"))
    path = pull(f"s3://{bucket}/a", tmp_path)
    assert proxy.passed < size(corpus) - kept + 0.3 * MB  # headers and the index come on top
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, ".locks", ".checked"}
    assert all((path / file.relative_to(corpus)).read_bytes() == file.read_bytes() for file in corpus.rglob("*.*"))


def test_an_interrupted_upload_is_hidden_and_continues(
    proxy: Proxy, s3_client: Any, bucket: str, corpus: Path, tmp_path: Path
) -> None:
    proxy.let(9 * MB)
    with pytest.raises(Unavailable, match=r"cannot be reached .*rerun the command"):
        push(corpus, f"s3://{bucket}/a")
    proxy.let(float("inf"))
    listed = s3_client.list_objects_v2(Bucket=bucket, Prefix="a/")["Contents"]
    assert f"a/{NAME}" not in [entry["Key"] for entry in listed]
    assert 2 * MB < (kept := sum(entry["Size"] for entry in listed)) < size(corpus)
    with pytest.raises(UserError, match="the upload was interrupted"):
        pull(f"s3://{bucket}/a", tmp_path)
    proxy.let(float("inf"))
    assert push(corpus, f"s3://{bucket}/a") == 2 * CLIPS + 3 - len(listed)
    assert proxy.passed < size(corpus) - kept + 0.5 * MB  # a question per file, headers and trailers come on top
    assert size(pull(f"s3://{bucket}/a", tmp_path)) == size(corpus)
