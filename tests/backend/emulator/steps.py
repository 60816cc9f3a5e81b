"""One step: its driver, its pods with their faults and retries, and its outputs."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator import launcher
from emulator.driver import Job, executor_input, launcher_command, user_command
from emulator.faults import Fault
from emulator.graph import Artifacts
from emulator.memory import Limit, in_bytes
from emulator.objects import Objects
from emulator.package import Refused
from emulator.pod import Pod
from emulator.records import Step
from emulator.values import Json

MOST_ARGUMENT_BYTES = 128 * 1024  # of one argument with its ending zero; the kernel refuses more
RETRIES = 2  # of a pod that was deleted; exit codes are not tried again
POLL_S = 0.03
GRACE_S = 30.0
Stub = Callable[[Step, Pod], None]


@dataclass
class Cluster:
    """The settings that pods get from the cluster. Claims and secrets are those of the namespace, by name."""

    folder: Path
    user: int
    read_only: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, Path] = field(default_factory=dict)
    claims: Mapping[str, Path] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)
    stubs: Mapping[str, Stub] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))
    stopped: threading.Event = field(default_factory=threading.Event)  # by Terminate
    lock: Any = field(default_factory=threading.Lock)

    def pod(self, step: Step, argv: Sequence[str], container: Mapping[str, Any], settings: Mapping[str, Any]) -> Pod:
        """Return a new pod for an attempt of a step. Raises Refused for a claim or a secret that does not exist."""
        turn = "" if step.turn is None else f"-{step.turn}"
        name = f"{step.name}{turn}-{step.pods}"
        return Pod(
            self.folder / name,
            name,
            argv,
            self._environment(container, settings),
            self.user,
            self.read_only,
            self._volumes(settings),
            limit=self._limit(step, name, container),
        )

    def _environment(self, container: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, str]:
        found = dict(self.environment) | {each["name"]: each.get("value", "") for each in container.get("env", [])}
        for secret in settings.get("secretAsEnv", []):
            name = _named(secret, "secretNameParameter", "secretName")
            for key in secret["keyToEnv"]:
                if key["secretKey"] not in self.secrets.get(name, {}):
                    raise Refused(f"the namespace has no secret {name} with the key {key['secretKey']}")
                found[key["envVar"]] = self.secrets[name][key["secretKey"]]
        return found

    def _volumes(self, settings: Mapping[str, Any]) -> dict[str, tuple[Path, bool]]:
        found = {path: (place, False) for path, place in self.volumes.items()}
        for mount in settings.get("pvcMount", []):
            name = _named(mount, "pvcNameParameter", "constant")
            if name not in self.claims:
                raise Refused(f"the namespace has no volume claim {name}")
            found[mount["mountPath"]] = (self.claims[name] / mount.get("subPath", ""), False)
        return found

    def _limit(self, step: Step, name: str, container: Mapping[str, Any]) -> Limit | None:
        told = container.get("resources", {}).get("resourceMemoryLimit")
        limit = self.memory.get(step.name) or (in_bytes(told) if told else None)
        return Limit(name, limit) if limit else None


def _named(settings: Mapping[str, Any], key: str, old: str) -> str:
    return str(settings.get(key, {}).get("runtimeValue", {}).get("constant") or settings[old])


@dataclass
class Attempts:
    """All pods of one step."""

    step: Step
    component: Mapping[str, Any]
    container: Mapping[str, Any]
    settings: Mapping[str, Any]
    artifacts: Artifacts
    objects: Objects
    cluster: Cluster
    leaving: bool = False  # an exit task, which runs after a Terminate as well

    @classmethod
    def of(
        cls,
        name: str,
        turn: int | None,
        parameters: Mapping[str, Json],
        parts: Mapping[str, Any],
        job: Job,
    ) -> "Attempts":
        step = Step(name, turn, started=time.monotonic())
        step.executor_input = executor_input(name, parts["component"], parameters, parts["artifacts"], job)
        return cls(step, **parts)

    def command(self, execution: int, job: Job) -> list[str]:
        """Return the launcher's command line; note its longest argument and that of the step's own command."""
        words = launcher_command(self.step.executor_input, self.component, execution, job)
        own = user_command(self.container, self.step.executor_input, self.component)
        self.step.longest_argument = max(len(word.encode()) + 1 for word in [*words, *own])
        return words

    def run(self) -> None:
        """Run pods until one ends with an exit code."""
        step = self.step
        if step.longest_argument > MOST_ARGUMENT_BYTES:
            step.state, step.code, step.pods = "failed", 126, 1
            step.reason = f"argument list too long: {step.longest_argument} bytes of {MOST_ARGUMENT_BYTES}"
            return
        for _ in range(RETRIES + 1):
            with self.cluster.slots:
                if self._stopped:
                    step.state, step.reason = "omitted", "Terminate"
                    return
                again = self._attempt()
            if not again:
                return

    def _attempt(self) -> bool:
        """Run one pod. Return True if another one is to take its place."""
        step = self.step
        step.pods += 1
        argv = user_command(self.container, step.executor_input, self.component)
        pod = self.cluster.pod(step, argv, self.container, self.settings)
        began = time.monotonic()
        pod.prepare()
        step.folder = pod.folder
        launcher.download(pod, self.artifacts, self.objects, step)
        stub = self.cluster.stubs.get(step.name)
        try:
            step.code = self._stubbed(stub, pod) if stub else self._watched(pod)
        finally:
            pod.kill("")
        step.seconds += time.monotonic() - began
        step.log, step.command_code = pod.log(), pod.command_code()
        self._close(pod)
        pod.clean()
        return step.state == "error" and step.pods <= RETRIES

    def _stubbed(self, stub: Stub, pod: Pod) -> int:
        """Let a function of the test write the outputs in place of the step's command."""
        stub(self.step, pod)
        (pod.folder / "log").write_text("stub\n")
        return 0

    def _watched(self, pod: Pod) -> int:
        """Start the pod; inject faults and Terminate while it runs. Return its exit code."""
        pod.start()
        told_at = None
        while (code := pod.poll()) is None:
            for fault in self.cluster.faults:
                with self.cluster.lock:
                    due = not pod.reason and fault.due(self.step, pod)
                    fault.times -= due
                if due:
                    self._inject(fault, pod)
            if self._stopped and not pod.reason:
                pod.terminate("Terminate")
            told_at = told_at or (time.monotonic() if pod.reason in {"Terminate", "deleted"} else None)
            if told_at and time.monotonic() - told_at > GRACE_S:
                pod.kill(pod.reason)
            time.sleep(POLL_S)
        return code

    def _inject(self, fault: Fault, pod: Pod) -> None:
        if fault.how == "terminate":
            self.cluster.stopped.set()
        elif fault.how == "delete":
            pod.terminate("deleted")
        else:
            pod.kill("OOMKilled" if fault.how == "memory" else "SIGKILL")

    def _close(self, pod: Pod) -> None:
        """Store what a living launcher stores, and the state of the step."""
        step = self.step
        step.reason = pod.reason
        if pod.reason == "deleted":
            step.state = "error"
            return
        step.state = "succeeded" if step.code == 0 else "failed"
        if step.code == 0:
            try:
                launcher.collect(pod, self.component, self.objects, step)
            except launcher.OutputMissing as error:
                step.state, step.code, step.reason = "failed", 1, str(error)
        if self.published:
            launcher.upload_log(pod, self.objects, step)

    @property
    def _stopped(self) -> bool:
        return self.cluster.stopped.is_set() and not self.leaving

    @property
    def published(self) -> bool:
        """True if the launcher lived to store the end of the step."""
        return self.step.code in {0, 1} and self.step.reason not in {"SIGKILL", "OOMKilled", "Terminate", "deleted"}
