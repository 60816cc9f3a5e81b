"""Reasons why pods failed, from the workflow that the deprecated API v1beta1 still shows.

The current API gives no reason for a failed node. This module only adds reasons: without the old API, the rest works as before.
"""

import base64
import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from common.errors import UserError
from pipelines.package.steps import Steps
from pipelines.server.errors import ServerFailed
from pipelines.server.step_states import DRIVER

BAD = ("Failed", "Error")
TWIN = re.compile(r"\(\d+\)$")  # the number of an attempt
WITHIN = "child "  # Argo's message for a node whose inner node failed: "child 'ID' failed"


@dataclass(frozen=True)
class Reasons:
    """The messages of a workflow. `steps` maps a step, or a driver that belongs to no step, to the messages of its pods.

    `drivers` holds the steps whose driver failed. `stopped` is True if the workflow was terminated.
    """

    steps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    drivers: frozenset[str] = frozenset()
    stopped: bool = False


def find_reasons(ask: Callable[[], Any], steps: Steps) -> Reasons:
    """Return the reasons in the answer of the old API. Any failure of the request, or another form, means that there are none."""
    try:
        workflow = json.loads(ask()["pipeline_runtime"]["workflow_manifest"])
        return read_workflow(workflow, steps)
    except (UserError, ServerFailed, AttributeError, KeyError, OSError, TypeError, ValueError):
        return Reasons()


def read_workflow(workflow: Mapping[str, Any], steps: Steps) -> Reasons:
    """Return the reasons in a workflow of Argo."""
    nodes = _nodes(workflow.get("status") or {})
    found: dict[str, dict[str, None]] = {}
    drivers = set()
    for node in nodes.values():
        if node.get("phase") not in BAD or not _is_pod(node, nodes):
            continue
        name = _base(node)
        owner = name.removesuffix(DRIVER)
        if owner != name:
            drivers.add(owner)
        step = _step(node, nodes, steps) or (owner if owner in steps.names else name)
        found.setdefault(step, {})[_text(node)] = None
    spec = workflow.get("spec") or {}
    stopped = bool(spec.get("shutdown")) or spec.get("activeDeadlineSeconds") == 0  # KFP terminates by a deadline of 0
    texts = {step: tuple(text for text in messages if text) for step, messages in found.items()}
    return Reasons(texts, frozenset(drivers), stopped)


def _nodes(status: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return id -> node. Argo packs the nodes of a large workflow."""
    if packed := status.get("compressedNodes"):
        return dict(json.loads(gzip.decompress(base64.b64decode(packed))))
    return status.get("nodes") or {}


def _is_pod(node: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether a node stands for a pod: the node over its attempts, or a pod without such a node."""
    inner = [nodes[child] for child in node.get("children") or [] if child in nodes]
    if node.get("type") == "Retry":
        return bool(inner) and all(child.get("type") == "Pod" for child in inner)
    return node.get("type") == "Pod" and not TWIN.search(node.get("displayName", ""))


def _step(node: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]], steps: Steps) -> str | None:
    """Return the step that a node lies in; the nodes around it are its boundaries."""
    seen: set[str] = set()
    while True:
        if (name := _base(node)) in steps.names:
            return name
        around = node.get("boundaryID") or ""
        if around not in nodes or around in seen:
            return None
        seen.add(around)
        node = nodes[around]


def _base(node: Mapping[str, Any]) -> str:
    return TWIN.sub("", node.get("displayName") or "")


def _text(node: Mapping[str, Any]) -> str:
    text = " ".join((node.get("message") or "").split())
    return "" if text.startswith(WITHIN) else text.removeprefix("main: ")
