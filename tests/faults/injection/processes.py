"""The processes of a local run: found by a variable of their environment, told apart by command and parent, killed by number."""

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "ABLATE_FAULT_PLACE"
MAIN, PIPELINE, SERVER, STEP, WORKER, OTHER = "main", "pipeline", "fork server", "step", "worker", "other"
GROUP, ALL = "group", "all"
VICTIMS = (MAIN, PIPELINE, SERVER, STEP, WORKER, GROUP, ALL)
STEPS, COMMAND = "pipelines.local.step_server", "/bin/ablate "


@dataclass(frozen=True)
class Process:
    """A living process. Zombies do not count: nothing of theirs is left but an entry for their parent."""

    pid: int
    parent: int
    group: int
    command: str
    kind: str = OTHER


def processes(place: Path) -> list[Process]:
    """Return the living processes that were started for the folder `place`, directly or by others of them."""
    needle = f"{MARK}={place}\0".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if needle not in (folder / "environ").read_bytes() + b"\0":
                continue
            state, parent, group = (folder / "stat").read_text().rpartition(") ")[2].split()[:3]
            if state != "Z":
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found[int(folder.name)] = Process(int(folder.name), int(parent), int(group), command)
    return [_with_kind(process, found) for process in found.values()]


def _with_kind(process: Process, all_: dict[int, Process]) -> Process:
    return Process(process.pid, process.parent, process.group, process.command, _kind(process, all_))


def _kind(process: Process, all_: dict[int, Process]) -> str:
    if "pipelines.local.run" in process.command:
        return PIPELINE
    if process.parent not in all_:
        return MAIN if COMMAND in process.command else OTHER
    above = _kind(all_[process.parent], all_)
    if STEPS in process.command and above == PIPELINE:
        return SERVER
    return {SERVER: STEP, STEP: WORKER, WORKER: WORKER}.get(above, OTHER)


def strike(found: Sequence[Process], victim: str, number: signal.Signals, draw: float = 0.0) -> list[int]:
    """Send a signal to a victim of one kind, chosen by `draw` (0 to 1) if there are several. Return the pids; [] if there is none.

    `group` is the process group of the pipeline, `all` is every process at once.
    """
    if victim == GROUP:
        leaders = [process.pid for process in found if process.kind == PIPELINE]
        for pid in leaders:
            _send(os.killpg, pid, number)
        return leaders
    chosen = [process.pid for process in found if victim in (ALL, process.kind)]
    if victim != ALL and chosen:
        chosen = [chosen[min(int(draw * len(chosen)), len(chosen) - 1)]]
    for pid in chosen:
        _send(os.kill, pid, number)
    return chosen


def _send(call: object, pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        call(pid, number)  # type: ignore[operator]


def until_gone(place: Path, limit_s: float, but: str = "") -> tuple[float, list[Process]]:
    """Wait until no process of `place` lives, except those of one kind. Return the seconds, and who lives after `limit_s`."""
    started = time.monotonic()
    while left := [process for process in processes(place) if process.kind != but]:
        if time.monotonic() - started > limit_s:
            break
        time.sleep(0.05)
    return time.monotonic() - started, left


def end_all(place: Path) -> None:
    """Kill whatever is left of the processes of `place`, so that a failed test disturbs no other."""
    for process in processes(place):
        _send(os.kill, process.pid, signal.SIGCONT)
        _send(os.kill, process.pid, signal.SIGKILL)
