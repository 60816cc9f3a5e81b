"""Curves reach the disk at once and the store when it can be reached; a store that is away stops nothing."""

import time
from pathlib import Path

import pytest

from components.resolve_plan import resolve
from components.shared.history import History, attempt
from components.shared.trial import Trial, read_history
from tracking.store import client

AWAY = "http://me:secret@127.0.0.1:9"  # nothing listens there


@pytest.fixture
def item(store: str) -> Trial:
    return Trial.from_json(resolve({"study": "demo", "seeds": [1]}, store, "")[0])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")


def log_some(history: History) -> None:
    for step in range(5):
        history.log(step, {"loss": 1.0 / (step + 1)})


def test_every_point_is_on_disk_and_in_the_store(store: str, item: Trial, tmp_path: Path) -> None:
    with History(tmp_path, store, item.run_id, "f1", send_every_s=0.01) as history:
        log_some(history)
        assert len(read_history(tmp_path)) == 5
    assert history.error is None
    points = client(store).get_metric_history(item.run_id, "loss")
    assert [(point.step, {"loss": point.value}) for point in points] == read_history(tmp_path)
    run = client(store).get_run(item.run_id)
    assert (run.info.status, run.data.tags["ablation.fingerprint"]) == ("RUNNING", "f1")


@pytest.mark.usefixtures("impatient")
def test_an_unavailable_store_costs_no_time_and_no_point(
    item: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with History(tmp_path, AWAY, item.run_id, "f1", send_every_s=0.01) as history:
        started = time.perf_counter()
        log_some(history)
        assert time.perf_counter() - started < 1
    assert history.error is not None
    assert len(read_history(tmp_path)) == 5
    said = capsys.readouterr().out
    assert "tracking: MlflowException" in said
    assert "secret" not in said + history.error


@pytest.mark.usefixtures("impatient")
def test_what_a_store_missed_is_sent_when_it_is_back(store: str, item: Trial, tmp_path: Path) -> None:
    with History(tmp_path, AWAY, item.run_id, "f1", send_every_s=0.01) as history:
        log_some(history)
        deadline = time.monotonic() + 30
        while history.error is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert history.error is not None
        history.uri = store
        history.log(5, {"loss": 0.1})
    assert history.error is None
    assert [point.step for point in client(store).get_metric_history(item.run_id, "loss")] == list(range(6))
    assert client(store).get_run(item.run_id).data.tags["ablation.fingerprint"] == "f1"


def test_points_survive_a_training_that_raises(store: str, item: Trial, tmp_path: Path) -> None:
    def diverge() -> None:
        with History(tmp_path, store, item.run_id, "f1") as history:
            log_some(history)
            raise RuntimeError("diverged")

    with pytest.raises(RuntimeError, match="diverged"):
        diverge()
    assert len(client(store).get_metric_history(item.run_id, "loss")) == 5


def test_an_attempt_says_what_went_wrong_in_a_line() -> None:
    def fail() -> None:
        raise ValueError("at postgresql://me:secret@host/db\nand a lot of detail")

    assert attempt(lambda: None) is None
    assert attempt(fail) == "ValueError: at postgresql://me@host/db"
