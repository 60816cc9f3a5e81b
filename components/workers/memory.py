"""The memory of a step's container, and its limit, as the kernel counts them in control groups (v2 and v1).

A worker that passes the limit is killed by the kernel, in Kubernetes together with all other processes of its container: the pod is
lost, and what it has not stored. So a step ends its worker a little earlier. Files that the kernel keeps in memory to read them
faster do not count: it drops them first. Files in /dev/shm do count.
"""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SHARE = 0.95  # of the limit, at which a worker is ended
CLOSE = 0.8  # of the limit, from which the memory is read more often
CALM_S, ALERT_S = 0.1, 0.02  # between two readings; one takes 0.1 to 0.5 ms
NO_LIMIT_BYTES = 1 << 50  # more than any machine has: kernels write about 2^63 for "no limit"
GROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_GIB = 1 << 30
# Fields of memory.stat that the kernel cannot give back. `anon` of v2 is without `shmem`, and so is `rss` of v1.
_V2 = ("anon", "shmem", "kernel_stack", "pagetables", "slab_unreclaimable")
_V1 = ("total_rss", "total_shmem")


@dataclass(frozen=True)
class MemoryGroup:
    """A control group with a limit of memory, in bytes."""

    folder: Path
    limit: int

    def used(self) -> int:
        """Return the bytes in use that the kernel cannot give back; 0 if they cannot be read."""
        fields = _V2 if (self.folder / "memory.max").exists() else _V1
        with suppress(OSError, ValueError):
            lines = (line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
            counted = {name: int(value) for name, value in lines if name in fields}
            return sum(counted.values())
        return 0

    def largest(self) -> int | None:
        """Return the process of the group that has most memory, which the kernel would kill; None if none can be seen."""
        pids: set[int] = set()
        with suppress(OSError):
            for file in self.folder.rglob("cgroup.procs"):
                pids |= {int(pid) for pid in file.read_text().split()}
        sizes = {pid: size for pid in pids - {0} if (size := resident_bytes(pid))}
        return max(sizes, key=lambda pid: (sizes[pid], pid), default=None)


def limited_groups(groups: Path = GROUPS, own: Path = OWN) -> list[MemoryGroup]:
    """Return the control groups with a limit around this process. [] if there is no limit, as usual outside containers.

    `groups` is the folder of all groups and `own` the file that names those of this process. In a container, `own` may name a
    folder of the host, and then `groups` itself is the group of the container.
    """
    found = []
    for line in own.read_text().splitlines() if own.exists() else ():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            found += _limited(groups / "memory", path, "memory.limit_in_bytes")
        elif not controllers:
            for top in (groups, groups / "unified"):
                found += _limited(top, path, "memory.max")
    return found


def _limited(top: Path, path: str, file: str) -> list[MemoryGroup]:
    """Return the groups with a limit from `top / path` up to `top`."""
    inner = top / path.strip("/")
    folders = [folder for folder in (inner, *inner.parents) if folder == top or top in folder.parents]
    limits = {folder: _number(folder / file) for folder in folders}
    return [MemoryGroup(folder, limit) for folder, limit in limits.items() if limit and limit < NO_LIMIT_BYTES]


def _number(file: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(file.read_text())
    return None  # no file, or "max"


@dataclass
class MemoryWatch:
    """Ends the processes of a worker before they pass a limit of memory. `reason` then says why, in one sentence."""

    groups: list[MemoryGroup]
    reason: str | None = None

    def look(self, pid: int) -> float:
        """End the worker `pid` and its children if they are about to pass a limit. Return the seconds to the next look.

        Several workers may share a container: only the one goes that has the largest process.
        """
        wait_s = CALM_S
        for group in self.groups:
            used = group.used()
            if used > SHARE * group.limit and self._is_ours(group, pid):
                self.reason = _sentence(used, group.limit, sum(map(resident_bytes, tree(pid))))
                kill_tree(pid)
                return CALM_S
            wait_s = min(wait_s, ALERT_S if used > CLOSE * group.limit else CALM_S)
        return wait_s

    def _is_ours(self, group: MemoryGroup, pid: int) -> bool:
        largest = group.largest()
        return largest is None or largest in tree(pid)


def _sentence(used: int, limit: int, by_worker: int) -> str:
    share = f"{SHARE:.0%} of the container's memory"
    return (
        f"a trial may use up to {share}, and {used / _GIB:.2f} of {limit / _GIB:.2f} GiB were in use, {by_worker / _GIB:.2f} GiB "
        "of them by this trial, so it was ended; use a smaller batch or model, or give more `memory` in cluster.yaml"
    )


def resident_bytes(pid: int) -> int:
    """Return the memory of a process without mapped files; 0 if the process has ended."""
    with suppress(OSError, ValueError):
        lines = (line.partition(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return sum(int(text.split()[0]) * 1024 for name, _, text in lines if name in ("RssAnon", "RssShmem"))
    return 0


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def kill_tree(pid: int) -> None:
    """Kill a process and all its descendants at once: an orderly end would take time in which memory runs out.

    All are stopped first, so that none starts another one meanwhile.
    """
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for each in tree(pid):
            _signal(number, each)


def _signal(number: int, pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def offer_to_kernel(pid: int) -> None:
    """Let the kernel, if it must kill a process for memory, choose this one before the step that waits for it."""
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")
