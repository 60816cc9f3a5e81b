"""Mutual exclusion among processes that share only an MLflow store: one at a time trains a fingerprint, or registers a model.

The algorithm is Lamport's bakery. The tickets are tags of the claimants' own runs: a claimant takes a number that is larger than
all numbers it sees, and waits until no smaller number is left. The store only has to return what was written.
A claimant shows that it is alive by a heartbeat, a tag that it counts up. The others ignore a claimant whose heartbeat has
stopped for `STALE_S` seconds or whose run has ended. So a living holder that cannot reach the store for that long can lose
the lease. Then work is done twice, but its results are right.
"""

import contextlib
import threading
import time
from collections.abc import Iterator

from mlflow.entities import Run, RunTag
from mlflow.exceptions import MlflowException

from tracking.store import client

KEY, TICKET, BEAT = "ablation.lease", "ablation.lease_ticket", "ablation.lease_beat"
CHOOSING = "choosing"
POLL_S = 1.0
BEAT_S = 15.0
STALE_S = 120.0
OPEN = ("RUNNING", "SCHEDULED")


@contextlib.contextmanager
def lease(uri: str, run_id: str, key: str) -> Iterator[bool]:
    """Hold `key` in the store during the block. Yield True if the caller had to wait for another holder.

    `run_id` is an open run of the caller that holds no other lease.
    """
    ended = threading.Event()
    _tag(uri, run_id, {TICKET: CHOOSING, BEAT: "0", KEY: key})
    beating = threading.Thread(target=_beat, args=(uri, run_id, ended), daemon=True)
    beating.start()
    try:
        mine = 1 + max((_ticket(run) or 0 for run in _others(uri, run_id, key)), default=0)
        _tag(uri, run_id, {TICKET: str(mine)})
        yield _wait(uri, run_id, key, mine)
    finally:
        ended.set()
        beating.join()
        _release(uri, run_id)


def _wait(uri: str, run_id: str, key: str, mine: int) -> bool:
    """Wait until no living claimant has a smaller ticket. Return True if there was one."""
    seen: dict[str, tuple[str | None, float]] = {}
    waited = False
    while any(_alive(run, seen) and _before(run, mine, run_id) for run in _others(uri, run_id, key)):
        waited = True
        time.sleep(POLL_S)
    return waited


def _others(uri: str, run_id: str, key: str) -> list[Run]:
    """Return the open runs of all studies that hold the key or wait for it, without our own."""
    everywhere = [experiment.experiment_id for experiment in client(uri).search_experiments(max_results=1000)]
    found = client(uri).search_runs(everywhere, f"tags.`{KEY}` = '{key}'", max_results=1000)
    return [run for run in found if run.info.run_id != run_id and run.info.status in OPEN]


def _ticket(run: Run) -> int | None:
    """Return the number that a claimant has taken; None while it chooses one."""
    text = run.data.tags.get(TICKET, CHOOSING)
    return None if text == CHOOSING else int(text)


def _before(run: Run, mine: int, my_run: str) -> bool:
    ticket = _ticket(run)
    return ticket is None or (ticket, run.info.run_id) < (mine, my_run)


def _alive(run: Run, seen: dict[str, tuple[str | None, float]]) -> bool:
    """Return whether the run's heartbeat has changed within `STALE_S`, measured by the clock of this machine."""
    beat, now = run.data.tags.get(BEAT), time.monotonic()
    if run.info.run_id not in seen or seen[run.info.run_id][0] != beat:
        seen[run.info.run_id] = (beat, now)
    return now - seen[run.info.run_id][1] < STALE_S


def _beat(uri: str, run_id: str, ended: threading.Event) -> None:
    count = 0
    while not ended.wait(BEAT_S):
        count += 1
        with contextlib.suppress(MlflowException):  # the store does not answer; the next heartbeat tries again
            _tag(uri, run_id, {BEAT: str(count)})


def _release(uri: str, run_id: str) -> None:
    with contextlib.suppress(MlflowException):  # the heartbeat has ended, so the others see that the lease is free
        client(uri).delete_tag(run_id, KEY)


def _tag(uri: str, run_id: str, tags: dict[str, str]) -> None:
    client(uri).log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
