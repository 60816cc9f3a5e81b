"""Runs as a Kubeflow Pipelines server shows them.

The server keeps the state of a run and the states of its nodes apart, and stores the run's state first. A node has a name and
a state; the state is missing while the node is created, and for ever if the node is left out. After Argo has packed the nodes of a
large run, the server's record of them no longer changes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"}
OPEN = {"", "RUNTIME_STATE_UNSPECIFIED", "PENDING", "RUNNING", "CANCELING", "PAUSED"}


@dataclass(frozen=True)
class Task:
    """A node of a run. `name` and `state` are empty while the server does not know them, and `started` is None."""

    name: str
    state: str
    started: datetime | None = None


@dataclass(frozen=True)
class Run:
    """The present state of a run. `state` is the text of the server.

    `stopped` is True if somebody has terminated the run: such a run ends as FAILED. `plugin_failure` is the message of the server's
    MLflow plugin if it failed. A run in a list has no tasks.
    """

    id: str
    state: str
    ended: bool = False
    tasks: tuple[Task, ...] = ()
    name: str = ""
    experiment: str = ""
    created: datetime | None = None
    stopped: bool = False
    plugin_failure: str = ""


def read_run(found: Any) -> Run:
    """Return a run of the generated client."""
    state = found.state or ""
    ended = (
        found.finished_at is not None and found.finished_at.year > 1970
    )  # servers send year 1 or the epoch for "not yet"
    history = {status.state for status in found.state_history or []} | {state}
    tasks = (found.run_details and found.run_details.task_details) or []
    return Run(
        id=found.run_id or "",
        state=state,
        ended=state in ENDED or (ended and state not in OPEN),
        tasks=tuple(Task(task.display_name or "", task.state or "", task.start_time) for task in tasks),
        name=found.display_name or "",
        experiment=found.experiment_id or "",
        created=found.created_at,
        stopped=bool(history & {"CANCELING", "CANCELED"}),
        plugin_failure=_plugin_failure((found.plugins_output or {}).get("mlflow")),
    )


def _plugin_failure(output: Any) -> str:
    if output is None or output.state != "PLUGIN_FAILED":
        return ""
    return " ".join((output.state_message or "").split()) or "it gives no reason"
