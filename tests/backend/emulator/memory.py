"""Memory limits of pods: a real memory group of the kernel where this machine lets us make one."""

import os
import time
import uuid
from pathlib import Path

V2, V1 = Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory")
UNITS = {"": 1, "m": 0.001} | {unit: 1000**power for power, unit in enumerate("kMGTPE", 1)}
UNITS |= {"K": 1000} | {f"{unit}i": 1024**power for power, unit in enumerate("KMGTPE", 1)}


def in_bytes(quantity: str) -> int:
    """Return a quantity of Kubernetes such as 600Mi in bytes."""
    unit = quantity.lstrip("0123456789.")
    return int(float(quantity.removesuffix(unit)) * UNITS[unit])


def kind() -> str:
    """Return how limits are enforced here: v2 or v1 (memory groups), or watched (the emulator adds up what pods use)."""
    if os.access(V1 / "memory.limit_in_bytes", os.R_OK) and os.access(V1, os.W_OK):
        return "v1"
    controllers = V2 / "cgroup.subtree_control"
    try:
        return "v2" if "memory" in controllers.read_text().split() and os.access(V2, os.W_OK) else "watched"
    except OSError:
        return "watched"


class Limit:
    """The memory limit of one pod. As on a cluster, the death of one process by it is the death of all."""

    def __init__(self, name: str, limit: int) -> None:
        self.limit, self.kind = limit, kind()
        self.group = (V1 if self.kind == "v1" else V2) / f"ablate-{os.getpid()}-{name}-{uuid.uuid4().hex[:8]}"
        if self.kind == "v1":
            self.group.mkdir()
            (self.group / "memory.limit_in_bytes").write_text(str(limit))
        elif self.kind == "v2":
            self.group.mkdir()
            (self.group / "memory.max").write_text(str(limit))
            (self.group / "memory.swap.max").write_text("0")
            (self.group / "memory.oom.group").write_text("1")

    @property
    def procs(self) -> list[str]:
        """Files that take the process that is to be limited."""
        return [str(self.group / "cgroup.procs")] if self.kind != "watched" else []

    @property
    def mounts(self) -> list[list[str]]:
        """The pod sees its own group where a container sees it."""
        if self.kind == "watched":
            return []
        return [["bind", str(self.group), str(V1 if self.kind == "v1" else V2), "ro"]]

    def exceeded(self, pids: list[int]) -> bool:
        """Return True if the kernel killed a process of the pod for its memory, or if the pod uses more than it may."""
        if self.kind == "watched":
            return sum(map(_resident, pids)) > self.limit
        events = self.group / ("memory.oom_control" if self.kind == "v1" else "memory.events")
        return any(line.split()[0] == "oom_kill" and line.split()[1] != "0" for line in _lines(events))

    def close(self) -> None:
        """Remove the group. The kernel needs a moment after the last process."""
        for _ in range(100 if self.kind != "watched" else 0):
            try:
                self.group.rmdir()
                return
            except OSError:
                time.sleep(0.02)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
