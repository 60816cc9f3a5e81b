"""A Kubeflow Pipelines server on loopback for tests. The public definition of the API checks it, if its file exists."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from command_line import Answer
from kubeflow_api import SWAGGER, Asked, Contract

API = "/apis/v2beta1"


@dataclass
class Kubeflow:
    """A Kubeflow Pipelines server on loopback with the parts that a study needs. Tests script its behaviour.

    `script` has one item per request for a run, and the last one repeats: a state, the fields of a run, an HTTP status,
    or "break" for a broken connection. `trouble` maps "METHOD PATH" to an answer: status, body, headers.
    """

    host: str = ""
    multi_user: bool = False
    knows_plugins: bool = True
    token: str | None = None
    script: list[Any] = field(default_factory=lambda: ["SUCCEEDED"])
    trouble: dict[str, tuple[int, str, dict[str, str]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    things: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {k: [] for k in KINDS})
    made: dict[str, int] = field(default_factory=dict)
    longest_page: int = 1000
    contract: Contract | None = None

    def request(self, method: str, path: str, body: Any) -> Asked:
        """Return a request as the server could receive it."""
        return Asked(method, f"{API}{path}", {}, {}, body)

    def calls(self) -> list[str]:
        return [f"{asked.method} {asked.path.removeprefix(API)}" for asked in self.asked]

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """Return the answer to a request of the API: status and JSON."""
        parts = asked.path.removeprefix(f"{API}/").split("/")
        if parts == ["healthz"]:
            return 200, {"multi_user": self.multi_user}
        if parts[0] == "runs" and asked.method == "get":
            return self._look(parts[1])
        if parts[0] == "recurringruns" and len(parts) == 2:
            return self._change(asked.method, *parts[1].split(":"))
        kind = "versions" if parts[-1] in ("upload_version", "versions") else parts[0]
        if asked.method == "get":
            return self._list(kind, asked)
        return self._make(kind, asked)

    def _list(self, kind: str, asked: Asked) -> tuple[int, Any]:
        if "namespace" in asked.query and not self.multi_user:
            return 400, {"code": 3, "message": "In single-user mode, there is no filter by namespace."}
        wanted = json.loads(asked.query.get("filter", '{"predicates": []}'))["predicates"]
        found = [t for t in self.things[kind] if all(t[one["key"]] == one["string_value"] for one in wanted)]
        start = int(asked.query.get("page_token", 0))
        page, left = found[start : start + self.longest_page], len(found) > start + self.longest_page
        more = {"next_page_token": str(start + self.longest_page)} if left else {}
        return 200, {LISTED.get(kind, kind): page, **more} if page else {}

    def _change(self, method: str, id: str, verb: str = "") -> tuple[int, Any]:
        """Switch or delete a schedule."""
        found = [thing for thing in self.things["recurringruns"] if thing["recurring_run_id"] == id]
        if not found:
            return 404, {"code": 5, "message": f"recurring run {id} not found"}
        if method == "delete":
            self.things["recurringruns"].remove(found[0])
        else:
            found[0]["status"] = {"enable": "ENABLED", "disable": "DISABLED"}[verb]
        return 200, {}

    def _make(self, kind: str, asked: Asked) -> tuple[int, Any]:
        thing = dict(asked.body or {})
        if not self.knows_plugins and "plugins_input" in thing:
            return 400, {"code": 3, "message": 'proto: (line 1:9): unknown field "plugins_input"'}
        if kind == "versions":
            spec = next(yaml.safe_load_all(asked.form["uploadfile"]))
            thing = {"display_name": asked.query["display_name"], "pipeline_id": asked.query["pipelineid"]}
            thing["pipeline_spec"] = spec
        known = [other for other in self.things[kind] if other["display_name"] == thing["display_name"]]
        if kind == "recurringruns":  # names of schedules are not unique
            thing["status"] = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[thing["mode"]]
        elif known and kind != "runs":
            return 409, {"code": 6, "message": f"{kind} {thing['display_name']} already exists"}
        self.made[kind] = self.made.get(kind, 0) + 1
        self.things[kind].append(thing | {KINDS[kind]: f"{kind}-{self.made[kind]}"})
        return 200, self.things[kind][-1]

    def _look(self, run: str) -> tuple[int, Any]:
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, int):
            return step, {"code": 14, "message": "the server is in trouble"}
        if step == "break":
            raise ConnectionAbortedError
        return 200, {"run_id": run, **(step if isinstance(step, dict) else {"state": step})}


KINDS = {
    "pipelines": "pipeline_id",
    "versions": "pipeline_version_id",
    "experiments": "experiment_id",
    "runs": "run_id",
    "recurringruns": "recurring_run_id",
}
LISTED = {"versions": "pipeline_versions", "recurringruns": "recurringRuns"}


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
            self._send(401, b'{"code": 16, "message": "no valid token"}', {})
            return
        try:
            status, answer = served.answer(asked)
        except ConnectionAbortedError:
            return
        if served.contract is not None:
            served.faults += served.contract.faults(asked, status, answer)
        self._send(status, json.dumps(answer).encode(), {"content-type": "application/json"})

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


@pytest.fixture
def kubeflow() -> Iterator[Kubeflow]:
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
