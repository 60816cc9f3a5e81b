"""The size of a run in Argo's Workflow object, which must stay below 1 MiB when its nodes are packed.

The nodes are built in the genuine shape, with the genuine values: the inputs of a driver twice, the patch of a pod eight times,
an attempt `NAME(0)` of every node. Packed they are base64 of gzip, as Argo packs them. So the parameters, artifacts and
settings of a step count for what they really take.
"""

import base64
import gzip
import json
import random
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from emulator.package import Package
from emulator.values import dumps

MOST_BYTES = 1024 * 1024  # of the whole object
TOO_LARGE = "workflow is longer than maximum allowed size"
PACKING = 1.24  # Argo's compressor against zlib: fits both measured figures, 41 kB and 9.8 kB a turn
TEMPLATES_BYTES = 9_000  # templates that every workflow has: drivers, containers, entry point
TASK_BYTES = 1_150  # of a task in a template, besides its own JSON
DAG_DRIVER, CONTAINER_DRIVER = "system-dag-driver", "system-container-driver"
Parameters = Sequence[tuple[str, str]]


def _parameter(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value}


def _output(name: str, value: str) -> dict[str, Any]:
    return {"name": name, "value": value, "valueFrom": {"path": f"/tmp/outputs/{name}", "default": ""}}


class Workflow:
    """The nodes of one run. Every method takes the node's path below the workflow, such as `(0).root(0).train-trial`."""

    def __init__(self, name: str, package: Package) -> None:
        self.name, self.nodes = name, dict[str, dict[str, Any]]()
        self.packed_from: int | None = None  # the number of nodes at which Argo begins to pack them
        self.spec_bytes = spec_bytes(package)
        self._plain, self._seen, self._packed = 0, 0, 0
        self._random, self._lock = random.Random(name), threading.Lock()
        self._pair("", "DAG", "entrypoint")

    def driver(self, path: str, template: str, inputs: Parameters, outputs: Parameters) -> None:
        """Add the pod of a driver."""
        self._pair(f"{path}-driver", "Pod", template, inputs, outputs, "Succeeded")

    def graph(self, path: str, template: str, inputs: Parameters = (("parent-dag-id", "1244"),)) -> None:
        """Add a graph, or one turn of a loop."""
        self._pair(path, "DAG", template, inputs)

    def turns(self, path: str, template: str) -> None:
        """Add the group of a loop's turns."""
        with self._lock:
            self._node(path, "TaskGroup", template, (), (), "Running")

    def step(self, path: str, patch: str) -> None:
        """Add a step's graph and its pod. Both have the patch of the pod, as do their attempts."""
        given = [("pod-spec-patch", patch), ("cached-decision", "false")]
        self._pair(path, "DAG", "system-container-executor", given)
        self._pair(f"{path}(0).executor", "Pod", "system-container-impl", given[:1], (), "Succeeded")

    def omitted(self, path: str) -> None:
        """Add a step that never starts."""
        with self._lock:
            for each in (path, f"{path}-driver"):
                self._node(each, "Skipped", "system-container-executor", (), (), "Omitted")

    def packed_bytes(self, exact: bool = False) -> int:
        """Return the size of the whole object with packed nodes.

        Packing takes long. So without `exact` this is an estimate by the number of nodes while it is far from the limit.
        """
        with self._lock:
            estimate = self._packed * len(self.nodes) // max(1, self._seen)
            if not exact and self._seen and max(estimate, self._plain // 20) < 0.9 * MOST_BYTES:
                return estimate
            if not exact and len(self.nodes) < 1.02 * self._seen:
                return self._packed
            text = json.dumps(self.nodes, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
            self._seen = len(self.nodes)
            self._packed = self.spec_bytes + int(PACKING * len(base64.b64encode(gzip.compress(text, 6))))
            return self._packed

    def _pair(
        self,
        path: str,
        kind: str,
        template: str,
        inputs: Parameters = (),
        outputs: Parameters = (),
        phase: str = "Running",
    ) -> None:
        """Add a node and its only attempt."""
        with self._lock:
            self._node(path, "Retry", template, inputs, outputs, phase)
            self._node(f"{path}(0)", kind, template, inputs, outputs, phase)

    def _node(self, path: str, kind: str, template: str, inputs: Parameters, outputs: Parameters, phase: str) -> None:
        number = f"{self.name}-{self._random.randrange(10**8, 2**32)}"
        node: dict[str, Any] = {
            "id": number,
            "name": self.name + path,
            "displayName": path.rpartition(".")[2] or self.name,
            "type": kind,
            "templateName": template,
            "templateScope": f"local/{self.name}",
            "phase": phase,
            "boundaryID": f"{self.name}-{self._random.randrange(10**8, 2**32)}",
            "startedAt": f"2026-11-25T23:{len(self.nodes) // 60 % 60:02d}:{len(self.nodes) % 60:02d}Z",
            "finishedAt": f"2026-11-25T23:{len(self.nodes) // 50 % 60:02d}:{len(self.nodes) % 50:02d}Z",
            "progress": f"{len(self.nodes) % 7}/7",
            "resourcesDuration": {"cpu": len(self.nodes) % 60, "memory": len(self.nodes) % 1500},
        }
        if phase == "Omitted":
            node |= {"message": "omitted: depends condition not met", "nodeFlag": {}}
        else:
            node["children"] = [f"{self.name}-{self._random.randrange(10**8, 2**32)}"]
        if inputs:
            node["inputs"] = {"parameters": [_parameter(*each) for each in inputs]}
        if kind == "Pod" or outputs:
            key = f"private-artifacts/kubeflow/{self.name}/2026/11/25/{number}/main.log"
            node["outputs"] = {"artifacts": [{"name": "main-logs", "s3": {"key": key}}], "exitCode": "0"}
            node["outputs"] |= {"parameters": [_output(*each) for each in outputs]} if outputs else {}
        if path.endswith(")"):
            node["nodeFlag"] = {"retried": True}
        self.nodes[number] = node
        self._plain += len(json.dumps(node, separators=(",", ":"), ensure_ascii=False).encode())
        if self.packed_from is None and self.spec_bytes + self._plain > MOST_BYTES:
            self.packed_from = len(self.nodes)


def spec_bytes(package: Package) -> int:
    """Return the size of the workflow's specification: components, containers, pods' settings, and templates of graphs."""
    components = package.spec["components"]
    values = [dumps(component) for component in components.values()] + [dumps(package.root)]
    values += [dumps(executor["container"]) for executor in package.spec["deploymentSpec"]["executors"].values()]
    values += [dumps(settings) for settings in package.pods.values()]
    arguments = sum(len(json.dumps(value).encode()) + 80 for value in values)
    graphs = [package.root, *(component for component in components.values() if "dag" in component)]
    tasks = [task for graph in graphs for task in graph["dag"]["tasks"].values()]
    tasks += [task for task in tasks if "parameterIterator" in task]  # its JSON stands there twice
    return TEMPLATES_BYTES + arguments + sum(len(json.dumps(dumps(task)).encode()) + TASK_BYTES for task in tasks)


def pod_patch(command: Sequence[str], container: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Return the patch of a pod that a driver hands to Argo."""
    resources = container.get("resources", {})
    limits = {"memory": resources.get("resourceMemoryLimit", ""), "cpu": resources.get("resourceCpuLimit", "")}
    secrets = [
        {
            "name": key["envVar"],
            "valueFrom": {"secretKeyRef": {"name": secret.get("secretName"), "key": key["secretKey"]}},
        }
        for secret in settings.get("secretAsEnv", [])
        for key in secret["keyToEnv"]
    ]
    mounts = [
        {"name": f"volume-{n}", "mountPath": each["mountPath"]} for n, each in enumerate(settings.get("pvcMount", []))
    ]
    main = {
        "name": "main",
        "image": container["image"],
        "command": list(command),
        "args": [*container.get("command", []), *container.get("args", [])],
        "env": [*container.get("env", []), *secrets],
        "volumeMounts": mounts,
        "resources": {"limits": limits, "requests": limits},
    }
    text = dumps({"containers": [main]})
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
