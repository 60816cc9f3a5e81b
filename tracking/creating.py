"""Creations in MLflow that a lost reply does not double, and requests that are repeated while the store fails.

A reply is lost if the store has acted when the connection breaks, or when a proxy answers 502. MLflow's client then sends the same
request again, and another run, model or version comes into being. So whatever is created here can be found again: by a token in
its tags, or by a key of its own, e.g. its fingerprint. It is searched for after its creation, and before the creation is repeated.
Of several, all callers take the same one, the oldest, and the others are deleted.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar
from uuid import uuid4

from mlflow.entities import LoggedModelStatus, Run
from mlflow.exceptions import MlflowException
from requests import RequestException

from common.http_answers import can_pass
from tracking.search import search_runs
from tracking.store import client

T = TypeVar("T")

TOKEN = "ablation.token"  # tag of a run: a random text by which its creator finds it again
PATIENCE_S = 60.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 8.0


def passes(error: Exception) -> bool:
    """Return whether a request that failed with this error can succeed later, because the server or the network failed."""
    if isinstance(error, MlflowException):
        return can_pass(error.get_http_status_code())
    if isinstance(error, RequestException):
        return error.response is None or can_pass(error.response.status_code)
    return False


def patiently(uri: str, call: Callable[[], T]) -> T:
    """Return `call()`. While a server fails, the call is repeated for `PATIENCE_S`; to repeat it must do no harm.

    A database either answers or needs help, and gets one try. Raises the last error.
    """
    pause_s, ends = FIRST_PAUSE_S, time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except (MlflowException, RequestException) as error:
            late = time.monotonic() + pause_s >= ends
            if late or not passes(error) or not uri.startswith(("http://", "https://")):
                raise
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def once(
    uri: str,
    find: Callable[[], Sequence[T]],
    make: Callable[[], T],
    drop: Callable[[T], object],
    *,
    known: bool = True,
) -> T:
    """Return the one item that `find` finds, created by `make` if there is none.

    `find` returns all items, first the one that every caller takes. `drop` deletes another one. With `known` false, no item can
    exist before the first try, and the first search is left out.
    """
    tried = known

    def attempt() -> T:
        nonlocal tried
        found = list(find()) if tried else []
        if not found:
            tried = True
            made = make()
            found = list(find()) or [made]
        for ghost in found[1:]:
            drop(ghost)
        return found[0]

    return patiently(uri, attempt)


def create_run(uri: str, experiment_id: str, name: str, tags: Mapping[str, str]) -> Run:
    """Create exactly one run with these tags and a token."""
    token = uuid4().hex
    return once(
        uri,
        lambda: search_runs(uri, [experiment_id], f"tags.`{TOKEN}` = '{token}'"),
        lambda: client(uri).create_run(experiment_id, run_name=name, tags={**tags, TOKEN: token}),
        lambda run: drop_run(uri, run),
        known=False,
    )


def drop_run(uri: str, run: Run) -> None:
    """Delete a run that exists twice. It is ended first, so that it is not open in the trash either."""
    with _gone_is_well():
        client(uri).set_terminated(run.info.run_id, status="KILLED")
        client(uri).delete_run(run.info.run_id)


def drop_model(uri: str, model_id: str) -> None:
    """Delete a LoggedModel that exists twice. It is ended first, so that it is not PENDING in the trash either."""
    with _gone_is_well():
        client(uri).finalize_logged_model(model_id, LoggedModelStatus.FAILED)
        client(uri).delete_logged_model(model_id)


def drop_version(uri: str, name: str, version: str) -> None:
    """Delete a version that exists twice, unless an alias points at it."""
    with _gone_is_well():
        if version not in {str(number) for number in client(uri).get_registered_model(name).aliases.values()}:
            client(uri).delete_model_version(name, version)


@contextlib.contextmanager
def _gone_is_well() -> Iterator[None]:
    """Accept the refusal to delete something that was deleted before; the reply was lost, or another caller was faster."""
    try:
        yield
    except MlflowException as error:
        if passes(error):
            raise
