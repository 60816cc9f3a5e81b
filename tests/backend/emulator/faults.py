"""Faults that a test injects into a run, each at a chosen moment of a step."""

from collections.abc import Callable
from dataclasses import dataclass

from emulator.pod import Pod
from emulator.records import Step


@dataclass
class Fault:
    """A fault of the pod of a step, or of the run, and its moment.

    The moment is the start of the pod, a text in its log, a file in it (a pattern of paths as the pod sees them), or whatever
    `when` sees. It happens `times` times.
    """

    how: str
    step: str
    turn: int | None = None
    log: str | None = None
    file: str | None = None
    when: Callable[[Pod], bool] | None = None
    times: int = 1

    def due(self, step: Step, pod: Pod) -> bool:
        """Return True if it is to happen now."""
        if self.times < 1 or step.name != self.step or self.turn not in (None, step.turn):
            return False
        if self.log is not None and self.log not in pod.log():
            return False
        if self.file is not None and not found(pod, self.file):
            return False
        return self.when is None or self.when(pod)


def found(pod: Pod, pattern: str) -> bool:
    """Return True if the pod has a file, not an empty one, that fits the pattern."""
    fixed = pattern.split("*")[0].rpartition("/")[0]
    rest = pattern[len(fixed) :].lstrip("/")
    return any(path.is_file() and path.stat().st_size > 0 for path in pod.host(fixed).glob(rest))


def lose_pod(
    step: str,
    how: str = "sigkill",
    *,
    turn: int | None = None,
    log: str | None = None,
    file: str | None = None,
    when: Callable[[Pod], bool] | None = None,
    times: int = 1,
) -> Fault:
    """Return the loss of a pod: `sigkill` (exit code 137), `memory` (OOMKilled, 137), or `delete` (evicted, drained)."""
    if how not in {"sigkill", "memory", "delete"}:
        raise ValueError(f"a pod is lost by sigkill, memory or delete, not by {how}")
    return Fault(how, step, turn, log, file, when, times)


def terminate(
    step: str,
    *,
    turn: int | None = None,
    log: str | None = None,
    file: str | None = None,
    when: Callable[[Pod], bool] | None = None,
) -> Fault:
    """Return a Terminate of the whole run, when a step has come to a moment."""
    return Fault("terminate", step, turn, log, file, when)
