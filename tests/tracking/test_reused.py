"""Finished trials of a whole study: found by pages, and stored with three requests each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tracking.reuse import SCORED, fetch_files, find_scored
from tracking.reused import known_trials, store_reused
from tracking.store import client
from tracking.studies import StudyRuns, open_study

SEEDS = 3


@pytest.fixture
def opened(store: str) -> Callable[[], StudyRuns]:
    trials: list[dict[str, Any]] = [{"arm": "a", "seed": seed, "part": None, "params": {}} for seed in range(SEEDS)]
    return lambda: open_study(store, "demo", question="", params={}, conditions=["clean"], trials=trials)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "status.json").write_text("{}")
    return tmp_path / "files"


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the client's calls, in order."""
    made: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **options: (made.append(name), real(*args, **options))[1]

    for name in ("search_experiments", "search_runs", "get_run", "log_batch", "log_artifacts", "set_terminated"):
        monkeypatch.setattr(MlflowClient, name, counted(name, getattr(MlflowClient, name)))
    return made


def test_a_result_is_stored_without_a_look_at_its_run(
    store: str, opened: Callable[[], StudyRuns], folder: Path, requests: list[str], tmp_path: Path
) -> None:
    runs = opened()
    own = known_trials(store, runs.experiment_id, runs.study, SEEDS).runs[runs.trials[1]]
    requests.clear()
    store_reused(store, runs.trials[1], folder, {"wer/clean": 0.5}, [(7, {"loss": 1.0})], {SCORED: "abc"}, own)
    assert requests == ["log_batch", "set_terminated"]
    run = client(store).get_run(runs.trials[1])
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"wer/clean": 0.5, "loss": 1.0})
    found = find_scored(store, "abc")
    assert [stored.run_id for stored in found] == [runs.trials[1]]
    assert found[0].sums().keys() == {"status.json"}
    fetch_files(store, runs.trials[1], tmp_path, found[0])
    assert (tmp_path / "status.json").read_text() == "{}"


def test_results_are_not_found_before_their_files_are_stored(
    store: str, opened: Callable[[], StudyRuns], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    runs = opened()
    monkeypatch.setattr("mlflow.store.artifact.local_artifact_repo.LocalArtifactRepository.log_artifacts", full)
    with pytest.raises(OSError, match="no space left"):
        store_reused(store, runs.trials[0], folder, {"wer/clean": 0.5}, [], {SCORED: "abc"})
    assert find_scored(store, "abc") == []
    assert client(store).get_run(runs.trials[0]).info.status == "SCHEDULED"


def test_a_rerun_finds_all_earlier_results_with_two_searches(
    store: str, opened: Callable[[], StudyRuns], folder: Path, requests: list[str]
) -> None:
    first, second, third = opened(), opened(), opened()
    for runs in (first, second):
        for seed, run_id in enumerate(runs.trials):
            store_reused(store, run_id, folder, {}, [], {SCORED: f"evaluation-{seed}"})
    requests.clear()
    known = known_trials(store, third.experiment_id, third.study, SEEDS)
    assert requests == ["search_runs", "search_runs"]
    assert set(known.runs) == set(third.trials)
    newest = {name: [stored.run_id for stored in found] for name, found in known.earlier.items()}
    assert newest == {f"evaluation-{seed}": [run_id] for seed, run_id in enumerate(second.trials)}
    more = known_trials(store, third.experiment_id, third.study, 2 * SEEDS).earlier["evaluation-1"]
    assert [stored.run_id for stored in more] == [second.trials[1], first.trials[1]]
