"""The server's launcher: around the command of a step, it downloads inputs, and collects and uploads outputs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.driver import local_path
from emulator.graph import Artifacts
from emulator.objects import Objects
from emulator.pod import Pod
from emulator.records import Artifact, Step
from emulator.values import Json, doubles, from_file

LOGS = "executor-logs"


class OutputMissing(Exception):
    """The step ended well, but an output that it declares cannot be read."""


def download(pod: Pod, artifacts: Artifacts, objects: Objects, step: Step) -> None:
    """Put all input artifacts where the step looks for them, and make the folders of its outputs."""
    for name, items in artifacts.items():
        count = sum(objects.download(item.uri, pod.host(local_path(item.uri))) for item in items)
        step.downloaded[name] = step.downloaded.get(name, 0) + count
    outputs = step.executor_input["outputs"]
    for item in outputs["parameters"].values():
        pod.host(item["outputFile"]).parent.mkdir(parents=True, exist_ok=True)
    for listed in outputs["artifacts"].values():
        pod.host(local_path(listed["artifacts"][0]["uri"])).parent.mkdir(parents=True, exist_ok=True)


def collect(pod: Pod, component: Mapping[str, Any], objects: Objects, step: Step) -> None:
    """Read the output parameters and upload the output artifacts of a step that ended well. Raises OutputMissing."""
    outputs = step.executor_input["outputs"]
    told = _told(pod.host(outputs["outputFile"]))
    declared = component.get("outputDefinitions", {}).get("parameters", {})
    step.parameters = dict(told.get("parameterValues", {}))
    for name, item in outputs["parameters"].items():
        if name not in step.parameters:
            step.parameters[name] = _read(pod.host(item["outputFile"]), name, declared[name]["parameterType"])
    for name, listed in outputs["artifacts"].items():
        [given] = listed["artifacts"]
        [said] = told.get("artifacts", {}).get(name, {}).get("artifacts", [{}])[:1]
        uri = said.get("uri") or given["uri"]
        metadata = given.get("metadata", {}) | (said.get("metadata") or {})
        if name != LOGS:
            count = objects.upload(pod.host(local_path(uri)), uri, pod.followed)
            step.artifacts[name] = Artifact(name, uri, metadata, count)
            step.uploaded[name] = step.uploaded.get(name, 0) + count


def upload_log(pod: Pod, objects: Objects, step: Step) -> None:
    """Store the log of the step's command; the launcher does it for a step that failed, too."""
    uri = step.executor_input["outputs"]["artifacts"][LOGS]["artifacts"][0]["uri"]
    step.uploaded[LOGS] = step.uploaded.get(LOGS, 0) + objects.upload(pod.folder / "log", uri, lambda path: path)


def _told(path: Path) -> dict[str, Any]:
    """Return what the step wrote about its outputs."""
    found: dict[str, Any] = doubles(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
    return found


def _read(path: Path, name: str, kind: str) -> Json:
    try:
        return from_file(path.read_text(encoding="utf-8"), kind)
    except (OSError, ValueError, KeyError) as error:
        raise OutputMissing(f'failed to read output parameter name="{name}" type="{kind}": {error}') from error
