"""Several requests at a time to a server, and one to a database."""

import threading
import time

import pytest

from tracking.several import CONNECTIONS, each


def slow(log: list[int], item: int) -> int:
    log.append(threading.active_count())
    time.sleep(0.02)
    return 10 * item


@pytest.mark.parametrize(("uri", "together"), [("http://127.0.0.1:9", True), ("sqlite:///mlflow.db", False)])
def test_results_keep_their_order(uri: str, together: bool) -> None:
    before, seen = threading.active_count(), list[int]()
    assert each(uri, lambda item: slow(seen, item), list(range(20))) == [10 * item for item in range(20)]
    assert (max(seen) > before) is together
    assert max(seen) <= before + CONNECTIONS


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:///mlflow.db"])
def test_an_error_is_raised(uri: str) -> None:
    with pytest.raises(ZeroDivisionError):
        each(uri, lambda item: 1 // item, [1, 0, 2])


def test_no_items_are_no_calls() -> None:
    assert each("http://127.0.0.1:9", lambda item: item, []) == []
