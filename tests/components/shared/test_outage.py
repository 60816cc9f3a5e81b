"""An outage of MLflow is said once, with its beginning and its end, and costs the patience of one call."""

import os
import time
from pathlib import Path

import pytest

from components.shared import history, outage
from components.shared.history import attempt, attempt_patiently
from components.shared.problem import PROBLEMS_FOLDER, problems


def refused() -> None:
    raise ConnectionError("Connection refused")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(PROBLEMS_FOLDER, str(tmp_path))
    monkeypatch.setattr(outage, "_own", [])
    return tmp_path


def test_an_outage_is_said_with_its_beginning_and_its_end(folder: Path) -> None:
    assert outage.lines(folder, Path("kept")) == []
    for _ in range(2):
        assert attempt(refused)
    (said,) = outage.lines(folder, Path("kept"))
    assert said.startswith("MLflow has not answered since ")
    assert "(connection refused)" in said
    assert said.endswith("checkpoints that MLflow does not take stay in kept")
    assert attempt(lambda: None) is None
    assert [line.partition(" since ")[0] for line in outage.lines(folder, Path("kept"))] == [
        "MLflow has not answered",
        "MLflow answers again",
    ]
    assert problems(folder) == []


def test_an_error_of_another_kind_is_no_outage(folder: Path) -> None:
    assert attempt(lambda: int("no number"))
    assert outage.lines(folder, Path("kept")) == []
    assert outage.seconds() == 0


def test_all_steps_share_the_patience_of_one_outage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PATIENCE_S", 1.0)
    monkeypatch.setattr(history, "FIRST_PAUSE_S", 0.2)
    calls: list[int] = []

    def call() -> None:
        calls.append(1)
        refused()

    assert attempt_patiently(call)
    assert len(calls) > 1
    long_ago = time.time() - 1
    (folder / outage.AWAY).write_text(f'{{"since": {long_ago}, "why": "connection refused"}}')
    calls.clear()
    assert attempt_patiently(call)
    assert len(calls) == 1


def test_without_a_folder_each_process_knows_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "_own", [])
    monkeypatch.delenv(PROBLEMS_FOLDER, raising=False)
    assert PROBLEMS_FOLDER not in os.environ
    attempt(refused)
    assert outage.seconds() > 0
    attempt(lambda: None)
    assert outage.seconds() == 0
