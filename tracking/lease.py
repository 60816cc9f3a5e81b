"""One at a time, among processes that share nothing but an MLflow store: who trains a fingerprint, who registers.

Lamport's bakery, with tags of the claimants' own runs as the tickets: whoever comes draws a number that is larger than
all that are seen, and waits until no smaller one is left. It needs no more of a store than that what was written is read.
A claimant shows that it is alive by counting up a tag; one that has stopped to for `STALE_S`, or whose run has ended,
is passed over. So a holder that is alive but cannot reach the store for that long may be overtaken: work is then done
twice, never wrongly.
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
    """Hold `key` in the store during the block; yields whether somebody else had to be waited for.

    `run_id` is a run of the caller's own that is open and holds no other lease.
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
    """Until nobody is before us; True if that took a while."""
    seen: dict[str, tuple[str | None, float]] = {}
    waited = False
    while any(_alive(run, seen) and _before(run, mine, run_id) for run in _others(uri, run_id, key)):
        waited = True
        time.sleep(POLL_S)
    return waited


def _others(uri: str, run_id: str, key: str) -> list[Run]:
    """Open runs of all studies that hold or want the key."""
    everywhere = [experiment.experiment_id for experiment in client(uri).search_experiments(max_results=1000)]
    found = client(uri).search_runs(everywhere, f"tags.`{KEY}` = '{key}'", max_results=1000)
    return [run for run in found if run.info.run_id != run_id and run.info.status in OPEN]


def _ticket(run: Run) -> int | None:
    """The number that a claimant has drawn; None while it is choosing."""
    text = run.data.tags.get(TICKET, CHOOSING)
    return None if text == CHOOSING else int(text)


def _before(run: Run, mine: int, my_run: str) -> bool:
    ticket = _ticket(run)
    return ticket is None or (ticket, run.info.run_id) < (mine, my_run)


def _alive(run: Run, seen: dict[str, tuple[str | None, float]]) -> bool:
    """Whether the run's beat has changed lately, by this machine's clock alone."""
    beat, now = run.data.tags.get(BEAT), time.monotonic()
    if run.info.run_id not in seen or seen[run.info.run_id][0] != beat:
        seen[run.info.run_id] = (beat, now)
    return now - seen[run.info.run_id][1] < STALE_S


def _beat(uri: str, run_id: str, ended: threading.Event) -> None:
    count = 0
    while not ended.wait(BEAT_S):
        count += 1
        with contextlib.suppress(MlflowException):  # the store is away; it may be back for the next one
            _tag(uri, run_id, {BEAT: str(count)})


def _release(uri: str, run_id: str) -> None:
    with contextlib.suppress(MlflowException):  # then the beats end, and the others see that
        client(uri).delete_tag(run_id, KEY)


def _tag(uri: str, run_id: str, tags: dict[str, str]) -> None:
    client(uri).log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
