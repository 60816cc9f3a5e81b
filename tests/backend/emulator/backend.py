"""A Kubeflow Pipelines server for tests: runs a compiled package as the genuine server does, and records what happened.

Learned from KFP 2.17.0 and Argo 4.0.5 on a genuine server. See CONTRIBUTING.md for what is emulated and what is not.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator.driver import Job, local_path
from emulator.engine import Cache, Engine
from emulator.faults import Fault
from emulator.objects import Objects
from emulator.package import Package
from emulator.pod import USER, Pod
from emulator.records import Run, Step
from emulator.steps import Cluster, Stub


class Backend:
    """One namespace: its object store, its cache, its volume claims (name -> folder), and its secrets (name -> keys).

    `volumes` are folders that every pod sees at a path, for packages that mount no claim. `environment` is what the namespace
    adds to every pod. Two pods run at a time.
    """

    def __init__(
        self,
        root: Path,
        *,
        environment: Mapping[str, str] | None = None,
        volumes: Mapping[str, Path] | None = None,
        claims: Mapping[str, Path] | None = None,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.root, self.objects = root, Objects(root / "objects")
        self.environment, self.volumes = environment or {}, volumes or {}
        self.claims, self.secrets = claims or {}, secrets or {}
        self.runs: list[Run] = []
        self._cache: Cache = {}

    def run(
        self,
        package: Path,
        arguments: Mapping[str, Any] | None = None,
        *,
        user: int = USER,
        read_only: bool = False,
        faults: Sequence[Fault] = (),
        stubs: Mapping[str, Stub] | None = None,
        memory: Mapping[str, int] | None = None,
    ) -> Run:
        """Run a package to its end. Raises Refused for what the server refuses.

        `user` is the user of all steps, `read_only` their root. `stubs` are functions that write the outputs of a step in place
        of its command, by the step's name. `memory` limits the pods of a step in bytes, in place of the package's limit.
        """
        read = Package.read(package)
        job = Job(read.name, str(uuid.uuid4()), f"{read.name}-{uuid.uuid4().hex[:5]}")
        folder = self.root / "pods" / job.id
        cluster = Cluster(
            folder, user, read_only, self.environment, self.volumes, self.claims, self.secrets,
            memory or {}, stubs or {}, list(faults),
        )  # fmt: skip
        began = time.monotonic()
        run = Engine(read, job, cluster, self.objects, self._cache).go(read.inputs(arguments or {}))
        run.seconds = time.monotonic() - began
        self.runs.append(run)
        return run


def fill_outputs(step: Step, pod: Pod) -> None:
    """A stub: write something into every output of a step. Lists get no item."""
    outputs = step.executor_input["outputs"]
    for name, listed in outputs["artifacts"].items():
        pod.host(local_path(listed["artifacts"][0]["uri"])).write_text(f"stub of {name}")
    for item in outputs["parameters"].values():
        pod.host(item["outputFile"]).write_text("[]")
