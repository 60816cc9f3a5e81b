"""A lease has one holder at a time, passes on when the holder ends or dies, and does not delay other keys."""

import threading
import time

import pytest

from tracking import lease as module
from tracking.lease import BEAT, KEY, TICKET, lease
from tracking.store import client
from tracking.studies import end_run, open_study


@pytest.fixture
def runs(store: str) -> tuple[str, ...]:
    """Runs of two studies."""
    trials = [
        {"arm": "a", "seed": seed, "part": None, "params": {}, "fingerprint": "f", "inputs": {}} for seed in (1, 2, 3)
    ]
    opened = [
        open_study(store, name, question="", params={}, conditions=["clean"], trials=trials) for name in ("one", "two")
    ]
    return tuple(run for study in opened for run in study.trials)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.02)


def claim(store: str, run_id: str, ticket: str) -> None:
    for key, value in {TICKET: ticket, BEAT: "0", KEY: "f"}.items():
        client(store).set_tag(run_id, key, value)


def test_one_at_a_time_and_everyone_in_the_end(store: str, runs: tuple[str, ...]) -> None:
    events: list[tuple[str, str]] = []

    def work(run_id: str) -> None:
        with lease(store, run_id, "f"):
            events.append(("in", run_id))
            time.sleep(0.05)
            events.append(("out", run_id))

    threads = [threading.Thread(target=work, args=(run_id,)) for run_id in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [kind for kind, _ in events] == ["in", "out"] * len(runs)
    assert all(events[place][1] == events[place + 1][1] for place in range(0, len(events), 2))
    assert {run_id for _, run_id in events} == set(runs)
    assert all(KEY not in client(store).get_run(run_id).data.tags for run_id in runs)


def test_other_keys_do_not_wait(store: str, runs: tuple[str, ...]) -> None:
    with lease(store, runs[0], "f"), lease(store, runs[1], "g") as waited:
        assert not waited


@pytest.mark.parametrize("ticket", ["1", "choosing"])
def test_a_holder_that_has_died_is_passed_over(
    store: str, runs: tuple[str, ...], ticket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(store, runs[0], ticket)
    monkeypatch.setattr(module, "STALE_S", 0.3)
    started = time.monotonic()
    with lease(store, runs[1], "f") as waited:
        assert waited
        assert time.monotonic() - started >= 0.3


def test_a_holder_that_is_alive_is_not(store: str, runs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STALE_S", 1.0)
    monkeypatch.setattr(module, "BEAT_S", 0.1)
    left: list[float] = []

    def hold() -> None:
        with lease(store, runs[0], "f"):
            inside.set()
            time.sleep(2.5)
            left.append(time.monotonic())

    inside = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(30)
    with lease(store, runs[1], "f"):
        assert left
    thread.join()


def test_a_run_that_was_ended_holds_nothing(store: str, runs: tuple[str, ...]) -> None:
    claim(store, runs[0], "1")
    end_run(store, runs[0], "KILLED")
    with lease(store, runs[1], "f") as waited:
        assert not waited
