"""Answers of a genuine Kubeflow server (KFP 2.17.0), shortened by whole parts, and scenarios that are built from them."""

import base64
import copy
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "pipelines" / "server" / "recorded"
RUNS = (
    "run-succeeded",
    "run-failed-first-step",
    "run-memory-kill",
    "run-terminated",
    "run-first-study-2x4-packed",
    "run-exit-handler",
)
CHANGING = ("state", "finished_at", "state_history", "run_details")  # fields of a run that change while it runs


@dataclass(frozen=True)
class Recorded:
    """One recorded exchange. `body` is JSON, or text for `text/plain`."""

    status: int
    kind: str
    body: Any


@cache
def _read(name: str) -> str:
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def recorded(name: str) -> Recorded:
    """Return a recorded answer. Each call returns its own copy."""
    exchange = json.loads(_read(name))
    return Recorded(exchange["status"], exchange["content_type"], exchange["body"])


def scenario(name: str, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the changing fields of a recorded run. `names` maps names of steps to those of today's pipeline."""
    body = recorded(name).body
    for task in body["run_details"]["task_details"]:
        if "display_name" in task:
            task["display_name"] = _renamed(task["display_name"], names or {})
    return {field: body[field] for field in CHANGING}


def before_its_steps(ended: Mapping[str, Any]) -> dict[str, Any]:
    """Return an ended run as the server shows it for a moment: its state is stored, those of its nodes are not yet."""
    early = copy.deepcopy(dict(ended))
    for task in early["run_details"]["task_details"]:
        if task.get("state") in ("FAILED", "SUCCEEDED"):
            task["state"] = "RUNNING"
    return early


def workflow(names: Mapping[str, str] | None = None, *, packed: bool = False, **spec: Any) -> dict[str, Any]:
    """Return the answer of the old API for the run that was killed for its memory; `packed` as Argo packs large workflows."""
    body = recorded("v1-memory-kill").body
    manifest = json.loads(body["pipeline_runtime"]["workflow_manifest"])
    for node in manifest["status"]["nodes"].values():
        node["displayName"] = _renamed(node["displayName"], names or {})
    if packed:
        text = json.dumps(manifest["status"].pop("nodes")).encode()
        manifest["status"]["compressedNodes"] = base64.b64encode(gzip.compress(text)).decode()
    manifest["spec"] = spec
    body["pipeline_runtime"]["workflow_manifest"] = json.dumps(manifest)
    return dict(body)


def _renamed(node: str, names: Mapping[str, str]) -> str:
    """Return the name of a node for other names of steps; drivers and twins are named after their steps."""
    for old, new in names.items():
        if node.partition("(")[0] in (old, f"{old}-driver"):
            return node.replace(old, new, 1)
    return node
