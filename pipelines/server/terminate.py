"""Terminates a run on a Kubeflow server, and closes the MLflow runs of studies whose Kubeflow run has ended.

The pods of a terminated run are killed within a second of SIGTERM. The last step of the pipeline still runs and closes the study,
unless its own pod is lost or MLflow is away. Open runs would keep their leases, and the next study of the same trials would wait.
"""

import re
import time
from collections.abc import Callable

from common.errors import UserError
from pipelines.server.client import Server
from pipelines.server.errors import ServerFailed
from pipelines.server.runs import Run
from pipelines.server.trials import RETRIES, TIMEOUT_S
from pipelines.server.wait import Clock, Lost, patiently

PAGE = re.compile(r"(?P<host>https?://.+?)/?(?:_/)?#/runs/details/(?P<run>[\w.-]+).*", re.DOTALL)
RUN = re.compile(r"[A-Za-z0-9][\w.-]*")
ENDED_REASON = "the run on Kubeflow has ended"
TERMINATED_REASON = "the run on Kubeflow was terminated"


def run_named(text: str) -> tuple[str, str | None]:
    """Return the id of a run from its id or from the address of its page, and the host of that page. Raises UserError."""
    text = text.strip()
    if page := PAGE.fullmatch(text):
        return page["run"], page["host"].rstrip("/")
    if not RUN.fullmatch(text):
        raise UserError(f"a run is its id, or the address of its page (.../#/runs/details/ID); got {text!r}")
    return text, None


def terminate(server: Server, run: str, say: Callable[[str], None], *, deadline: float | None, clock: Clock) -> Run:
    """End a run and return it after its end. A run that has ended is returned as it is. Raises Lost, and UserError."""
    found = patiently(lambda: server.run(run), say, deadline, clock)
    if found.ended:
        return found
    if found.state != "CANCELING":
        patiently(lambda: server.terminate(run), say, deadline, clock)
    say("terminating: the server ends the pods of the run, which takes about 20 seconds")
    while not found.ended:
        if deadline is not None and time.monotonic() >= deadline:
            raise Lost(f"the time of --timeout is over, and the run is {found.state}")
        time.sleep(clock.poll_s)
        found = patiently(lambda: server.run(run), say, deadline, clock)
    return found


def close_study(uri: str, run: str, reason: str) -> int | None:
    """End the open MLflow runs of the study of a Kubeflow run. Return their number; None if MLflow does not know the study.

    Raises UserError if MLflow does not answer.
    """
    from tracking.results import find_studies
    from tracking.runs import reap
    from tracking.store import check_store
    from tracking.timeouts import use_short_timeouts

    use_short_timeouts(RETRIES, TIMEOUT_S)
    check_store(uri, prepare=False)
    found = find_studies(uri, run)
    return sum(reap(uri, study.experiment_id, study.study, "KILLED", reason) for study in found) if found else None


def close_ended(server: Server, uri: str, study: str) -> int:
    """End the open MLflow runs of earlier runs of a study that have ended on this server. Return the number of studies.

    Nothing is said, and nothing is done after a failure: a study that starts anyway only waits longer for its trials.
    """
    from tracking.probe import check_answers
    from tracking.timeouts import use_short_timeouts

    use_short_timeouts(RETRIES, TIMEOUT_S)
    try:
        check_answers(uri)
        from tracking.progress import open_studies_of
        from tracking.runs import reap
        from tracking.store import experiment

        ended = [opened for opened, run in open_studies_of(uri, study) if _has_ended(server, run)]
        for opened in ended:
            reap(uri, experiment(uri, study), opened, "KILLED", ENDED_REASON)
        return len(ended)
    except Exception:  # MLflow's client has no common class for its errors
        return 0


def _has_ended(server: Server, run: str) -> bool:
    """Return whether this server knows the run as ended. A run of another server counts as open."""
    try:
        return server.run(run).ended
    except (UserError, ServerFailed):
        return False
