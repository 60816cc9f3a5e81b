"""The answers of a Kubeflow Pipelines server for tests, in the shapes of the recorded ones."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from kubeflow_api import Asked, Contract
from kubeflow_recorded import recorded

API, OLD_API = "/apis/v2beta1", "/apis/v1beta1"
KINDS = {
    "pipelines": "pipeline_id",
    "versions": "pipeline_version_id",
    "experiments": "experiment_id",
    "runs": "run_id",
    "recurringruns": "recurring_run_id",
}
LISTED = {"versions": "pipeline_versions", "recurringruns": "recurringRuns"}
LONGEST = {"versions": (127, "upload-error-version-name-128"), "experiments": (128, "error-experiment-name-129")}
LONGEST |= {"runs": (255, "error-run-name-long")}
CREATED = "2026-11-25T22:33:22Z"
ENDED = ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED")
Reply = tuple[int, Any]  # the status, and JSON or plain text


@dataclass
class Kubeflow:
    """A Kubeflow Pipelines server with the parts that a study needs. Tests script its behaviour.

    `script` has one item per request for a run, and the last one repeats: a state, the fields of a run (see `scenario`), an HTTP
    status, or "break" for a broken connection. `trouble` maps "METHOD PATH" to an answer: status, body, headers; `refuse` maps
    it to the name of a recorded refusal. `old_api` is the answer of API v1beta1 for a run; None if the server has it no more.
    """

    host: str = ""
    multi_user: bool = False
    knows_plugins: bool = True
    plugin: dict[str, Any] | None = None
    token: str | None = None
    script: list[Any] = field(default_factory=lambda: ["SUCCEEDED"])
    trouble: dict[str, tuple[int, str, dict[str, str]]] = field(default_factory=dict)
    refuse: dict[str, str] = field(default_factory=dict)
    old_api: dict[str, Any] | None = None
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

    def answer(self, asked: Asked) -> Reply:
        """Return the answer to a request: the status, and JSON or plain text."""
        if asked.path.startswith(OLD_API):
            return (200, self.old_api) if self.old_api else (404, {"code": 5, "message": "Not Found", "details": []})
        parts = asked.path.removeprefix(f"{API}/").split("/")
        if name := self.refuse.get(f"{asked.method} /{'/'.join(parts)}"):
            return _refusal(name)
        match asked.method, parts:
            case _, ["healthz"]:
                return 200, recorded("healthz").body | {"multi_user": self.multi_user}
            case "get", ["runs", run]:
                return self._look(run)
            case "post", ["runs", named] if ":terminate" in named:
                return self._terminate(named.partition(":")[0])
            case "get", ["pipelines", _, "versions", version]:
                return self._version(version)
            case method, ["recurringruns", named]:
                return self._change(method, *named.split(":"))
        kind = "versions" if parts[-1] in ("upload_version", "versions") else parts[0]
        return self._list(kind, asked) if asked.method == "get" else self._make(kind, asked)

    def _list(self, kind: str, asked: Asked) -> Reply:
        if "namespace" in asked.query and not self.multi_user:
            return 400, {"code": 3, "message": "In single-user mode, there is no filter by namespace."}
        found = [thing for thing in self.things[kind] if _selected(thing, asked)]
        if asked.query.get("sort_by") == "created_at desc":
            found.reverse()
        start = int(asked.query.get("page_token", 0))
        page, left = found[start : start + self.longest_page], len(found) > start + self.longest_page
        more = {"next_page_token": str(start + self.longest_page)} if left else {}
        shown = [self._shown(kind, thing) for thing in page]
        return 200, {LISTED.get(kind, kind): shown, "total_size": len(found), **more} if page else {}

    def _change(self, method: str, id: str, verb: str = "") -> Reply:
        """Switch or delete a schedule."""
        found = [thing for thing in self.things["recurringruns"] if thing["recurring_run_id"] == id]
        if not found:
            return 404, {"code": 5, "message": f"recurring run {id} not found"}
        if method == "delete":
            self.things["recurringruns"].remove(found[0])
        else:
            found[0]["status"] = {"enable": "ENABLED", "disable": "DISABLED"}[verb]
        return 200, {}

    def _make(self, kind: str, asked: Asked) -> Reply:
        thing = dict(asked.body or {})
        if not self.knows_plugins and "plugins_input" in thing:
            return 400, {"code": 3, "message": 'proto: (line 1:9): unknown field "plugins_input"'}
        if kind == "versions":
            spec = next(yaml.safe_load_all(asked.form["uploadfile"]))
            thing = {"display_name": asked.query["display_name"], "pipeline_id": asked.query["pipelineid"]}
            thing["pipeline_spec"] = spec
        name = thing["display_name"]
        if kind in LONGEST and len(name.encode()) > LONGEST[kind][0]:
            return _refusal(LONGEST[kind][1])
        if kind == "recurringruns":  # names of schedules are not unique
            thing["status"] = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[thing["mode"]]
        elif kind != "runs" and any(_same(other["display_name"], name) for other in self.things[kind]):
            return _refusal("upload-error-version-exists" if kind == "versions" else "error-experiment-exists")
        if kind == "runs":
            thing |= {"plugins_output": {"mlflow": self.plugin}} if self.plugin else {}
        self.made[kind] = self.made.get(kind, 0) + 1
        self.things[kind].append(thing | {KINDS[kind]: f"{kind}-{self.made[kind]}"})
        return 200, self._shown(kind, self.things[kind][-1])

    def _shown(self, kind: str, thing: dict[str, Any]) -> dict[str, Any]:
        """Return an object with the fields that a server adds."""
        if kind == "versions":
            return thing | {"created_at": CREATED, "pipeline_spec": {"pipeline_spec": thing.get("pipeline_spec", {})}}
        if kind == "runs":
            return {"storage_state": "AVAILABLE", "created_at": CREATED, "state": "PENDING", **thing}
        return {"created_at": CREATED, **thing}

    def _version(self, id: str) -> Reply:
        found = [thing for thing in self.things["versions"] if thing["pipeline_version_id"] == id]
        return (200, self._shown("versions", found[0])) if found else _refusal("error-version-of-other-pipeline")

    def _look(self, run: str) -> Reply:
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, int):
            return step, {"code": 14, "message": "the server is in trouble", "details": []}
        if step == "break":
            raise ConnectionAbortedError
        made = [thing for thing in self.things["runs"] if thing["run_id"] == run]
        if not made:
            return _refusal("run-unknown", run)
        return 200, self._shown("runs", made[0] | (step if isinstance(step, dict) else _in_state(step)))

    def _terminate(self, run: str) -> Reply:
        """End a run as the genuine server does: CANCELING at once, and FAILED some time later."""
        if not any(thing["run_id"] == run for thing in self.things["runs"]):
            return _refusal("run-unknown", run)
        history = [{"state": state, "update_time": CREATED} for state in ("PENDING", "RUNNING", "CANCELING", "FAILED")]
        self.script = ["CANCELING", _in_state("FAILED") | {"state_history": history}]
        return 200, {}


def _in_state(state: str) -> dict[str, Any]:
    return {"state": state} | ({"finished_at": "2026-11-25T22:59:53Z"} if state in ENDED else {})


def _refusal(name: str, run: str = "") -> Reply:
    """Return a recorded refusal; for an unknown run with the id that was asked for."""
    found = recorded(name)
    body = (
        json.loads(json.dumps(found.body).replace("00000000-0000-0000-0000-000000000000", run)) if run else found.body
    )
    return found.status, body


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()  # MariaDB compares so


def _selected(thing: dict[str, Any], asked: Asked) -> bool:
    experiment = asked.query.get("experiment_id")
    return experiment in (None, thing.get("experiment_id")) and all(
        _same(str(thing.get(key)), value) for key, value in _predicates(asked)
    )


def _predicates(asked: Asked) -> Iterator[tuple[str, str]]:
    for one in json.loads(asked.query.get("filter", '{"predicates": []}'))["predicates"]:
        assert one["operation"] == "EQUALS"
        yield one["key"], one["string_value"]
