"""Mutual exclusion among processes that share only an MLflow store: one at a time trains a fingerprint, or registers a model.

The algorithm is Lamport's bakery. The tickets are tags of the claimants' own runs: a claimant takes a number that is larger than
all numbers it sees, and waits until no smaller number is left. The store only has to return what was written.
A claimant shows that it is alive by a heartbeat, a tag with a count and the time. The others ignore a claimant whose run has
ended, or that has been silent for `STALE_S` seconds. Silence is measured by the clock of the one who waits, from its first look
on. The time in the heartbeat is only used at that first look, with `SKEW_S` seconds of tolerance for the other machine's clock:
so the lease of a process that was killed a while ago is free at once, and a heartbeat that changes is alive whatever its time.
A claimant also names its process. One that runs on the machine of the waiting process, and sees its processes, sees at once when
it is gone, and does not wait for silence. The trial run of a holder that is gone is ended as KILLED, since nobody else does it.

A heartbeat is one request, which takes up to 1 s on a server with users: every 10 s is a load of at most a tenth of a request at
a time per training. 60 s of silence are six heartbeats; a holder that cannot reach the store for longer can lose the lease while
it lives. Then work is done twice, but its results are right, and its run is opened again with its next heartbeat.
"""

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

from mlflow.entities import Run, RunTag
from mlflow.exceptions import MlflowException

from tracking.creating import patiently
from tracking.liveness import BEAT, PROCESS, Silence, Watch, is_gone, same_life, stamp, this_process
from tracking.progress import REASON
from tracking.runs import end_run
from tracking.search import all_experiments, search_runs
from tracking.store import client

KEY, TICKET = "ablation.lease", "ablation.lease_ticket"
CHOOSING = "choosing"
GONE = "its process is gone"
POLL_S = 2.0
BEAT_S = 10.0
STALE_S = 60.0
SAY_EVERY_S = 60.0
ENDED = ("FINISHED", "FAILED", "KILLED")


@contextlib.contextmanager
def lease(uri: str, run_id: str, key: str) -> Iterator[bool]:
    """Hold `key` in the store during the block. Yield True if the caller had to wait for another holder.

    `run_id` is an open run of the caller that holds no other lease.
    """
    ended = threading.Event()
    patiently(uri, lambda: _tag(uri, run_id, {TICKET: CHOOSING, PROCESS: this_process(), BEAT: stamp(0), KEY: key}))
    beating = threading.Thread(target=_beat, args=(uri, run_id, ended), daemon=True)
    beating.start()
    try:
        experiments = patiently(uri, lambda: all_experiments(uri))
        mine = 1 + max((_ticket(run) or 0 for run in _others(uri, experiments, run_id, key)), default=0)
        patiently(uri, lambda: _tag(uri, run_id, {TICKET: str(mine)}))
        # Searched again: a claimant of an experiment that comes later sees our ticket and takes a larger one.
        yield _wait(uri, patiently(uri, lambda: all_experiments(uri)), run_id, key, mine)
    finally:
        ended.set()
        beating.join()
        _release(uri, run_id)


def _wait(uri: str, experiments: Sequence[str], run_id: str, key: str, mine: int) -> bool:
    """Wait until no living claimant has a smaller ticket. Return True if there was one."""
    watch, said = Watch(), None
    while True:
        before = [run for run in _others(uri, experiments, run_id, key) if _before(run, mine, run_id)]
        silences = [(run, watch.silence(run)) for run in sorted(before, key=_place)]
        gone = [run for run, silence in silences if silence.seconds >= STALE_S or is_gone(run.data.tags.get(PROCESS))]
        alive = [(run, silence) for run, silence in silences if run not in gone]
        for run in gone:
            _end_gone(uri, run)
        if not alive:
            return said is not None
        if said is None or time.monotonic() - said >= SAY_EVERY_S:
            print(_sentence(key, *alive[0]), flush=True)
            said = time.monotonic()
        time.sleep(POLL_S)


def _sentence(key: str, run: Run, silence: Silence) -> str:
    tags, seconds = run.data.tags, silence.seconds + silence.unsure
    trains = tags.get("ablation.role") == "trial"
    trial = f"{tags.get('ablation.arm')} seed {tags.get('ablation.seed')} of " if trains else ""
    does = "trains the same trial" if trains else f"holds the lease {key!r}"
    study = tags.get("ablation.study")
    return f"waiting for run {run.info.run_id} ({trial}{study}) which {does}; last sign of life {seconds:.0f} s ago"


def _others(uri: str, experiments: Sequence[str], run_id: str, key: str) -> list[Run]:
    """Return the open runs of all studies that hold the key or wait for it, without our own."""
    still_open = "".join(f" and attributes.status != '{status}'" for status in ENDED)
    found = patiently(uri, lambda: search_runs(uri, experiments, f"tags.`{KEY}` = '{key}'{still_open}"))
    return [run for run in found if run.info.run_id != run_id]


def _ticket(run: Run) -> int | None:
    """Return the number that a claimant has taken; None while it chooses one."""
    text = run.data.tags.get(TICKET, CHOOSING)
    return None if text == CHOOSING else int(text)


def _before(run: Run, mine: int, my_run: str) -> bool:
    ticket = _ticket(run)
    return ticket is None or (ticket, run.info.run_id) < (mine, my_run)


def _place(run: Run) -> tuple[bool, int, str]:
    """Sort the holder first and those that still choose a ticket last."""
    ticket = _ticket(run)
    return ticket is None, ticket or 0, run.info.run_id


def _end_gone(uri: str, seen: Run) -> None:
    """End the trial run of a process that is gone, unless it has written something since we saw it."""
    if seen.info.status != "RUNNING" or seen.data.tags.get("ablation.role") != "trial":
        return
    with contextlib.suppress(MlflowException):  # the store does not answer; the run is not in our way
        run = client(uri).get_run(seen.info.run_id)
        tags = run.data.tags
        if run.info.status == "RUNNING" and KEY in tags and same_life(tags, seen.data.tags):
            end_run(uri, seen.info.run_id, "KILLED", GONE)


def _open_again(uri: str, run_id: str) -> None:
    """Undo `_end_gone` by another process, which took us for dead while the store did not answer us."""
    run = client(uri).get_run(run_id)
    if run.info.status == "KILLED" and run.data.tags.get(REASON) == GONE:
        client(uri).update_run(run_id, status="RUNNING")
        client(uri).delete_tag(run_id, REASON)


def _beat(uri: str, run_id: str, ended: threading.Event) -> None:
    count, heard = 0, time.monotonic()
    while not ended.wait(BEAT_S):
        count += 1
        with contextlib.suppress(MlflowException):  # the store does not answer; the next heartbeat tries again
            _tag(uri, run_id, {BEAT: stamp(count)})
            if time.monotonic() - heard >= STALE_S:
                _open_again(uri, run_id)
            heard = time.monotonic()


def _release(uri: str, run_id: str) -> None:
    with contextlib.suppress(MlflowException):  # the heartbeat has ended, so the others see that the lease is free
        client(uri).delete_tag(run_id, KEY)


def _tag(uri: str, run_id: str, tags: dict[str, str]) -> None:
    client(uri).log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
