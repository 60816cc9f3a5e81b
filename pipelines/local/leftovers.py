"""The end of a killed run: the next run in the same folder, which holds its lock, ends processes, closes runs, and removes files.

A process of a run has the run's scratch folder in its environment, so it is found whatever its number, and no other one is.
"""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from common.files import PART
from common.owned_folder import sweep
from components.shared.problem import PROBLEMS_FOLDER
from pipelines.local.workspace import Workspace

GONE = "its process is gone"  # equals tracking.lease.GONE, whose import takes seconds
PATIENCE_S = 6.0  # processes of a killed run end by themselves within 5 s; who is left then is killed


def close_leftovers(workspace: Workspace, tracking_uri: str, say: Callable[[str], None]) -> None:
    """End the processes of a run that was killed, close its runs in MLflow, and remove its files.

    `say` gets a sentence if this takes time. Raises UserError if MLflow, which has open runs of the killed run, does not answer.
    """
    if not workspace.root.exists():
        return
    if processes_of(workspace):
        say("waiting for the processes of an earlier run in this folder, which was killed, to end")
        end_processes(workspace)
    if workspace.in_containers:
        from pipelines.local.container_ends import remove_containers

        remove_containers(workspace.root)
    if workspace.kfp_run is not None:
        from tracking.store import check_store

        check_store(tracking_uri)
        if closed := end_runs(workspace, tracking_uri, "KILLED", GONE):
            say(f"closed {closed} open MLflow run{'s' * (closed > 1)} of an earlier run in this folder")
    shutil.rmtree(workspace.root)
    sweep(workspace.root.parent, ".", PART)


def end_runs(workspace: Workspace, tracking_uri: str, status: str, reason: str | None) -> int:
    """Close all open runs of the studies that this run of the pipeline has opened. Return their number."""
    from tracking.results import find_studies
    from tracking.runs import reap

    run = workspace.kfp_run
    studies = find_studies(tracking_uri, run) if run else []
    return sum(reap(tracking_uri, study.experiment_id, study.study, status, reason) for study in studies)


def end_processes(workspace: Workspace) -> None:
    """Wait until no process of the run is left. Kill those that are left after `PATIENCE_S` seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while found := processes_of(workspace):
        if time.monotonic() >= deadline:
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def processes_of(workspace: Workspace) -> list[int]:
    """Return the processes of the run in this scratch folder that still work. [] on systems without /proc."""
    marker, found = f"{PROBLEMS_FOLDER}={workspace.problems}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or belongs to another user
            if marker in (folder / "environ").read_bytes().split(b"\0") and not _is_zombie(folder):
                found.append(int(folder.name))
    return found


def _is_zombie(folder: Path) -> bool:
    return (folder / "stat").read_text().rpartition(") ")[2].startswith("Z")
