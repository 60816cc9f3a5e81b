"""A lease has one holder at a time, passes on when the holder ends or dies, and does not delay other keys."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from tracking import lease as module
from tracking import search
from tracking.lease import GONE, KEY, STALE_S, TICKET, lease
from tracking.liveness import BEAT, SKEW_S, Silence, is_gone, this_process
from tracking.progress import REASON
from tracking.runs import end_run, start_trial
from tracking.store import client
from tracking.studies import open_study


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


def claim(store: str, run_id: str, ticket: str, beat: str = "0") -> None:
    for key, value in {TICKET: ticket, BEAT: beat, KEY: "f"}.items():
        client(store).set_tag(run_id, key, value)


def beat_of(seconds_ago: float, count: int = 7) -> str:
    """A heartbeat of a machine with our clock."""
    return f"{count} {time.time() - seconds_ago:.0f}"


def state(store: str, run_id: str) -> tuple[str, str | None]:
    run = client(store).get_run(run_id)
    return run.info.status, run.data.tags.get(REASON)


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
    monkeypatch.setattr(module, "STALE_S", 2.0)
    monkeypatch.setattr(module, "BEAT_S", 0.1)
    left: list[float] = []

    def hold() -> None:
        with lease(store, runs[0], "f"):
            inside.set()
            time.sleep(4.5)
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


@pytest.mark.parametrize("ticket", ["1", "choosing"])
@pytest.mark.parametrize("silent_s", [STALE_S + SKEW_S + 1, 86400.0])
def test_a_holder_killed_a_while_ago_costs_no_wait(
    store: str, runs: tuple[str, ...], ticket: str, silent_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.time, "sleep", lambda _: pytest.fail("it waited"))
    start_trial(store, runs[0], "f")
    claim(store, runs[0], ticket, beat_of(silent_s))
    with lease(store, runs[1], "f") as waited:
        assert not waited
        assert state(store, runs[0]) == ("KILLED", GONE)
    assert state(store, runs[1]) == ("SCHEDULED", None)


def test_only_trial_runs_in_training_are_ended(store: str, runs: tuple[str, ...]) -> None:
    """A waiting trial may still be started by its pipeline, and a study's run belongs to its exit step."""
    study = client(store).get_run(runs[0]).data.tags["mlflow.parentRunId"]
    for run_id in (runs[0], study):
        claim(store, run_id, "1", beat_of(86400))
    with lease(store, runs[1], "f") as waited:
        assert not waited
    assert state(store, runs[0]) == ("SCHEDULED", None)
    assert state(store, study) == ("RUNNING", None)


def test_a_holder_that_ended_while_we_looked_keeps_its_state(store: str, runs: tuple[str, ...]) -> None:
    start_trial(store, runs[0], "f")
    claim(store, runs[0], "1", beat_of(86400))
    seen = client(store).get_run(runs[0])
    end_run(store, runs[0], "FINISHED")
    module._end_gone(store, seen)
    assert state(store, runs[0]) == ("FINISHED", None)
    client(store).update_run(runs[0], status="RUNNING")
    client(store).set_tag(runs[0], BEAT, beat_of(0, count=8))
    module._end_gone(store, seen)
    assert state(store, runs[0]) == ("RUNNING", None)


@contextmanager
def beating(store: str, run_id: str, behind_s: float) -> Iterator[list[float]]:
    """A holder for 2.5 seconds whose clock is `behind_s` seconds behind ours. Yields the times at which it released the lease."""
    ended: list[float] = []

    def beat() -> None:
        for count in range(25):
            client(store).set_tag(run_id, BEAT, beat_of(behind_s, count))
            time.sleep(0.1)
        ended.append(time.monotonic())
        client(store).delete_tag(run_id, KEY)

    claim(store, run_id, "1", beat_of(behind_s))
    thread = threading.Thread(target=beat)
    thread.start()
    yield ended
    thread.join()


@pytest.mark.parametrize("behind_s", [-3600.0, -5.0, 0.0, 5.0, SKEW_S - 1])
def test_a_living_holder_with_another_clock_keeps_it(
    store: str, runs: tuple[str, ...], behind_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALE_S", 2.0)
    start_trial(store, runs[0], "f")
    with beating(store, runs[0], behind_s) as ended:
        with lease(store, runs[1], "f") as waited:
            assert waited
            assert ended
        assert state(store, runs[0]) == ("RUNNING", None)


@given(st.lists(st.floats(0, 2 * STALE_S), min_size=1, max_size=8), st.floats(-1e6, 1e6))
def test_a_heartbeat_that_changes_is_alive_whatever_its_time(gaps: list[float], behind_s: float) -> None:
    """Silence after the second look is the time since the last change, by our clock."""
    clock = pytest.MonkeyPatch()
    now = [1000.0]
    with clock.context() as patched:
        patched.setattr(module.time, "monotonic", lambda: now[0])
        patched.setattr(module.time, "time", lambda: 1.8e9 + now[0])
        watch, run = module.Watch(), _Claimant()
        for count, gap in enumerate(gaps):
            run.tags[BEAT] = f"{count} {1.8e9 + now[0] - behind_s:.0f}"
            first = watch.silence(run).seconds
            assert first == (pytest.approx(max(0.0, behind_s - SKEW_S), abs=1.0) if count == 0 else 0.0)
            now[0] += gap
            assert watch.silence(run).seconds == pytest.approx(first + gap)


class _Claimant:
    """The parts of a run that `Watch` reads."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.info = self.data = self
        self.run_id = "r"


@pytest.mark.parametrize("beat", [None, "", "0", "12", "3 ", "3 soon", "-1"])
def test_heartbeats_without_a_time_start_to_count_at_the_first_look(beat: str | None) -> None:
    silence = Silence.at_first_look(beat)
    assert silence.seconds < 1
    assert silence.unsure == 0


def test_waiting_is_said_once_and_then_every_minute(
    store: str, runs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "STALE_S", 1.0)
    monkeypatch.setattr(module, "SAY_EVERY_S", 0.4)
    claim(store, runs[0], "1", beat_of(20))
    with lease(store, runs[1], "f") as waited:
        assert waited
    lines = capsys.readouterr().out.splitlines()
    assert 2 <= len(lines) <= 3
    start = f"waiting for run {runs[0]} (a seed 1 of one) which trains the same trial; last sign of life "
    assert all(line.startswith(start) for line in lines)
    assert 19 <= int(lines[0].removeprefix(start).removesuffix(" s ago")) <= 22


def test_nothing_is_said_without_a_wait(store: str, runs: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with lease(store, runs[0], "f"):
        pass
    assert capsys.readouterr().out == ""


def test_the_holder_is_named_not_another_that_waits(
    store: str, runs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "STALE_S", 0.3)
    study = client(store).get_run(runs[0]).data.tags["mlflow.parentRunId"]
    claim(store, runs[0], "2")
    claim(store, runs[1], "choosing")
    claim(store, study, "1")
    with lease(store, runs[2], "f"):
        pass
    assert f"waiting for run {study} (one) which holds the lease 'f'; last sign" in capsys.readouterr().out


def test_a_holder_cut_off_from_the_store_opens_its_run_again(
    store: str, runs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALE_S", 0.6)
    monkeypatch.setattr(module, "BEAT_S", 0.1)
    start_trial(store, runs[0], "f")
    away, real = threading.Event(), module._tag

    def tag(uri: str, run_id: str, tags: dict[str, str]) -> None:
        if away.is_set() and run_id == runs[0]:
            raise MlflowException("away")
        real(uri, run_id, tags)

    monkeypatch.setattr(module, "_tag", tag)
    with lease(store, runs[0], "f"):
        away.set()
        with lease(store, runs[1], "f") as waited:
            assert waited
            assert state(store, runs[0]) == ("KILLED", GONE)
        away.clear()
        deadline = time.monotonic() + 10
        while state(store, runs[0]) != ("RUNNING", None) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert state(store, runs[0]) == ("RUNNING", None)


def test_holders_beyond_the_first_page_are_seen(
    store: str, runs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "PAGE", 1)
    for run_id in runs[:-2]:
        claim(store, run_id, "1")
        end_run(store, run_id, "FINISHED")
    claim(store, runs[-2], "1")
    monkeypatch.setattr(module, "STALE_S", 0.3)
    with lease(store, runs[-1], "f") as waited:
        assert waited


HOLD = """
import sys, time
from tracking.lease import lease
with lease(sys.argv[1], sys.argv[2], "f"):
    print("in", flush=True)
    time.sleep(600)
"""


def test_a_killed_process_of_this_machine_costs_no_wait(store: str, runs: tuple[str, ...]) -> None:
    start_trial(store, runs[0], "f")
    holder = subprocess.Popen([sys.executable, "-c", HOLD, store, runs[0]], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "in\n"
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # a kill is not done when it returns; this leaves a zombie
    started = time.monotonic()
    with lease(store, runs[1], "f") as waited:
        assert not waited
        assert state(store, runs[0]) == ("KILLED", GONE)
    assert time.monotonic() - started < 5
    holder.communicate()


def test_a_process_is_gone_only_if_that_is_certain() -> None:
    boot, space, number, start = this_process().split()
    assert not is_gone(this_process())
    assert is_gone(f"{boot} {space} {number} {int(start) - 1}")  # its number was used again
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert is_gone(f"{boot} {space} {ended.pid} 1")
    for other in (f"other {space} {ended.pid} 1", f"{boot} 1 {ended.pid} 1", "", "1", "a b", None):
        assert not is_gone(other)
    assert not is_gone(f"{boot} {space} 1 {_start_of(1)}")  # a process that may belong to another user


def _start_of(number: int) -> str:
    return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[19]


def test_among_1500_runs_the_holder_is_found_quickly(
    store: str, runs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others had the same key and were killed. They are written into the database itself, each in its own experiment."""
    claim(store, runs[0], "7")
    with contextlib.closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as database, database:
        for number in range(1500):
            copy(database, "experiments", "name", "one", f"e{number}", experiment_id=1000 + number)
            copy(database, "runs", "run_uuid", runs[0], f"r{number}", experiment_id=1000 + number, status="KILLED")
            copy(database, "tags", "run_uuid", runs[0], f"r{number}")
    monkeypatch.setattr(module, "STALE_S", 0.5)
    started = time.monotonic()
    with lease(store, runs[1], "f") as waited:
        assert waited
        assert client(store).get_run(runs[1]).data.tags[TICKET] == "8"
    assert time.monotonic() - started < 15
    assert len(search.all_experiments(store)) == 1503


def copy(database: sqlite3.Connection, table: str, key: str, of: str, to: str, **values: object) -> None:
    """Copy the rows of a table where a column is `of` to rows where it is `to`, with some other values changed."""
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    changed = {**values, key: to}
    taken = ", ".join("?" if column in changed else column for column in columns)
    given = [changed[column] for column in columns if column in changed]
    database.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM {table} WHERE {key} = ?", [*given, of]
    )
