"""A trial's curves: on disk at once, and in MLflow a few seconds later, from a thread that never delays the training."""

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from common.redact import redact
from components.shared import outage
from components.shared.trial import HISTORY_FILE
from tracking.probe import why_away
from tracking.timeouts import use_short_timeouts

SEND_EVERY_S = 5.0
FORBIDDEN = re.compile(r"[^\w\-. /]")
PATIENCE_S = 300.0  # a server that is replaced is back by then; after it, a result counts as not stored
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 30.0


def attempt(call: Callable[[], object]) -> str | None:
    """Call something that uses MLflow. Return None on success, else the error in one line, without passwords.

    An error of MLflow must not cost a training run: the end of the trial logs what is missing.
    """
    use_short_timeouts()
    try:
        call()
    except Exception as error:
        text = redact(f"{type(error).__name__}: {error}")
        print(f"tracking: {text}", flush=True)
        if why := why_away(error):
            outage.note(why)
            return f"MLflow does not answer: {why}"
        return text.splitlines()[0]
    outage.end()
    return None


def attempt_patiently(call: Callable[[], object]) -> str | None:
    """Call something that stores a result in MLflow, again and again for `PATIENCE_S` while it fails. Return as `attempt`.

    All steps of a local run together wait for `PATIENCE_S` in one outage: after it, each calls only once.
    """
    pause_s, ends = FIRST_PAUSE_S, time.monotonic() + (PATIENCE_S if outage.seconds() < PATIENCE_S else 0)
    while (error := attempt(call)) and time.monotonic() + pause_s < ends:
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    return error


class History:
    """Context manager around a training run: `log` writes a line to disk, and a thread sends new lines to MLflow.

    After the block, `error` says why MLflow lacks some points; it is None if MLflow has all of them.
    """

    def __init__(self, folder: Path, uri: str, run_id: str, fingerprint: str, send_every_s: float = SEND_EVERY_S):
        self.uri, self.run_id, self.fingerprint = uri, run_id, fingerprint
        self.error: str | None = None
        self._started, self._every_s = False, send_every_s
        self._file = (folder / HISTORY_FILE).open("w")
        self._unsent: list[tuple[int, dict[str, float]]] = []
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._send_repeatedly, daemon=True)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Add a point to the curves. Numbers may be of any type, e.g. numpy's; names get the characters that MLflow takes."""
        point = int(step), {FORBIDDEN.sub("_", name): float(value) for name, value in metrics.items()}
        self._file.write(json.dumps({"step": point[0], "metrics": point[1]}) + "\n")
        self._file.flush()
        with self._lock:
            self._unsent.append(point)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._ended.set()
        self._thread.join()

    def _send_repeatedly(self) -> None:
        self._send()
        while not self._ended.wait(self._every_s):
            self._send()
        self._send()

    def _send(self) -> None:
        with self._lock:
            batch, self._unsent = self._unsent, []
        if not batch and self._started:
            return
        self.error = attempt(lambda: self._log(batch))
        if self.error:
            with self._lock:
                self._unsent = batch + self._unsent

    def _log(self, batch: list[tuple[int, dict[str, float]]]) -> None:
        # The import takes seconds; here, in the thread, it does not delay the training.
        from tracking.runs import log_history, start_trial

        if not self._started:
            start_trial(self.uri, self.run_id, self.fingerprint)
            self._started = True
        log_history(self.uri, self.run_id, batch)
