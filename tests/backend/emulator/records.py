"""Records of a run, for tests to look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.values import Json


@dataclass
class Artifact:
    """An artifact of a step: its address, its metadata, and the bytes that went through the store for it."""

    name: str
    uri: str
    metadata: dict[str, Json] = field(default_factory=dict)
    bytes: int = 0


@dataclass
class Step:
    """One step of a run: what its pod was given, what it left, and how it ended.

    `state` is succeeded, failed (an exit code, a memory kill), error (the pod was deleted too often), driver-failed, cached,
    or omitted (a step before it failed, or the run ended). `code` is the exit code of the last pod's container; the launcher
    ends with 1 for any exit code of the command, which is `command_code`.
    """

    name: str
    turn: int | None
    state: str = "running"
    code: int | None = None
    command_code: int | None = None
    reason: str = ""
    log: str = ""
    seconds: float = 0.0
    started: float = 0.0
    pods: int = 0
    executor_input: dict[str, Any] = field(default_factory=dict)
    longest_argument: int = 0
    downloaded: dict[str, int] = field(default_factory=dict)
    uploaded: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, Json] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def good(self) -> bool:
        """True if the steps after it may start."""
        return self.state in {"succeeded", "cached"}

    @property
    def ran(self) -> bool:
        """True if a pod with the step's command was started."""
        return self.pods > 0


@dataclass
class Run:
    """A run that has ended."""

    id: str
    name: str
    state: str = "RUNNING"
    states: list[str] = field(default_factory=lambda: ["PENDING", "RUNNING"])
    message: str = ""
    steps: list[Step] = field(default_factory=list)
    driver_pods: int = 0
    packed_bytes: int = 0
    packed_from: int | None = None
    seconds: float = 0.0

    @property
    def step_pods(self) -> int:
        return sum(step.pods for step in self.steps)

    @property
    def pods(self) -> int:
        """All pods: drivers of containers and of graphs, and one per attempt of a step."""
        return self.driver_pods + self.step_pods

    @property
    def longest_argument(self) -> int:
        return max((step.longest_argument for step in self.steps), default=0)

    @property
    def names(self) -> list[str]:
        """Names of the steps that ran, in the order of their start."""
        return [step.name for step in sorted(self.steps, key=lambda step: step.started) if step.ran]

    def of(self, name: str) -> list[Step]:
        """All steps of a name, one per turn of a loop, by turn."""
        return sorted((step for step in self.steps if step.name == name), key=lambda step: step.turn or 0)

    def step(self, name: str) -> Step:
        """Return the only step of that name."""
        [found] = self.of(name)
        return found

    def bytes(self, way: str) -> Mapping[str, int]:
        """Bytes through the store by artifact, `STEP.ARTIFACT`; `way` is uploaded or downloaded."""
        total: dict[str, int] = {}
        for step in self.steps:
            for name, count in getattr(step, way).items():
                total[f"{step.name}.{name}"] = total.get(f"{step.name}.{name}", 0) + count
        return total

    def told(self) -> str:
        """Return every step with its state and the end of its log, for the message of a failed test."""
        lines = [f"run {self.id}: {self.state} {self.message}"]
        for step in self.steps:
            turn = "" if step.turn is None else f"[{step.turn}]"
            lines.append(f"{step.name}{turn}: {step.state} {step.code} {step.reason}")
            lines += [
                f"    {line}" for line in step.log.splitlines()[-15:] if step.state not in {"succeeded", "cached"}
            ]
        return "\n".join(lines)
