"""A Kubeflow Pipelines server on loopback for tests. The public definition of the API checks it, if its file exists."""

import json
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from command_line import Answer
from kubeflow_answers import API, OLD_API, Kubeflow
from kubeflow_api import SWAGGER, Asked, Contract


class Handler(BaseHTTPRequestHandler):
    kubeflow: Kubeflow

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        served, asked = self.kubeflow, self._read()
        served.asked.append(asked)
        if trouble := served.trouble.get(f"{asked.method} {asked.path.removeprefix(API)}"):
            self._send(trouble[0], trouble[1].encode(), trouble[2])
            return
        if served.token is not None and asked.headers.get("authorization") != f"Bearer {served.token}":
            self._send(401, b'{"code": 16, "message": "no valid token", "details": []}', {})
            return
        try:
            status, answer = served.answer(asked)
        except ConnectionAbortedError:
            return
        if served.contract is not None and not asked.path.startswith(OLD_API):
            served.faults += served.contract.faults(asked, status, answer)
        kind = "text/plain; charset=utf-8" if isinstance(answer, str) else "application/json"
        body = answer if isinstance(answer, str) else json.dumps(answer)
        self._send(status, body.encode(), {"content-type": kind})

    def _read(self) -> Asked:
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command.lower(), url.path, {k: v[0] for k, v in parse_qs(url.query).items()}, headers)
        raw = self.rfile.read(int(headers.get("content-length", 0)))
        if headers.get("content-type", "").startswith("multipart/"):
            parts = message_from_bytes(f"content-type: {headers['content-type']}\n\n".encode() + raw)
            for part in parts.get_payload():
                asked.form[str(part.get_param("name", header="content-disposition"))] = part.get_payload(decode=True)
        elif raw:
            asked.body = json.loads(raw)
        return asked

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


COMPILED: dict[tuple[str | None, ...], bytes] = {}


@pytest.fixture
def _compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile each package once per process, which takes a second each time; tests/pipelines/package compile anew."""
    from components.shared.image import default_image
    from components.shared.revision import code_rev
    from pipelines.package import compile as compiling

    really = compiling._compiled

    def once(scratch: Path, settings: Any, image: str | None) -> bytes:
        key = (settings.model_dump_json(), image, default_image(), code_rev())
        if key not in COMPILED:
            COMPILED[key] = really(scratch, settings, image)
        return COMPILED[key]

    monkeypatch.setattr(compiling, "_compiled", once)


@pytest.fixture
def kubeflow(_compiled_once: None) -> Iterator[Kubeflow]:
    """A server for one test. Every request and answer must fit the public definition, if its file exists."""
    served = Kubeflow(contract=Contract(SWAGGER) if SWAGGER.is_file() else None)
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"kubeflow": served})) as server:
        served.host = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        server.shutdown()
        thread.join()
    assert served.faults == []


@pytest.fixture
def submit(
    ablate: Callable[..., Answer],
    plan_file: Callable[..., Path],
    kubeflow: Kubeflow,
    empty_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Answer]:
    """Submit a small plan to the server, with an empty home directory and short waits."""
    from pipelines.server import wait as submit_wait

    monkeypatch.setattr(submit_wait, "Clock", partial(submit_wait.Clock, poll_s=0.01, patience_s=0.2))

    def call(
        *options: Any, host: str = kubeflow.host, tracking: str = "http://mlflow.example:5000", **plan: Any
    ) -> Answer:
        answer = ablate("submit", plan_file(**plan), "--host", host, "--tracking-uri", tracking, *options)
        assert list(empty_home.glob(".*")) == []  # kfp.Client would write its settings there
        return answer

    return call
