"""Progress of a Kubeflow run's trials, read in pages from a real SQLite store."""

from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient

from tracking import search
from tracking.progress import KFP_RUN, TrialProgress, open_studies_of, study_progress
from tracking.runs import end_run, reap, start_trial
from tracking.store import check_store, client
from tracking.studies import StudyRuns, open_study

Open = Callable[..., StudyRuns]


@pytest.fixture
def opened(store: str) -> Open:
    """Opens a study of one arm for a Kubeflow run."""

    def study(name: str, kfp_run: str | None, seeds: range = range(1, 4)) -> StudyRuns:
        trials: list[dict[str, Any]] = [{"arm": "baseline", "seed": seed, "part": None, "params": {}} for seed in seeds]
        runs = open_study(store, name, question="", params={}, conditions=["clean"], trials=trials)
        if kfp_run:
            client(store).set_tag(runs.study, KFP_RUN, kfp_run)
        return runs

    return study


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the client's calls, in order."""
    made: list[str] = []

    def count(name: str) -> None:
        real = getattr(MlflowClient, name)

        def counted(self: object, *args: Any, **options: Any) -> Any:
            made.append(name)
            return real(self, *args, **options)

        monkeypatch.setattr(MlflowClient, name, counted)

    for name in ("search_experiments", "search_runs", "get_run", "get_experiment_by_name"):
        count(name)
    return made


def test_an_empty_store_has_no_progress(store: str) -> None:
    check_store(store)
    assert study_progress(store, "run-1") == []
    assert open_studies_of(store, "demo") == []


def test_no_progress_until_the_study_is_open(store: str, opened: Open) -> None:
    opened("demo", "another-run")
    opened("demo", None)
    assert study_progress(store, "run-1") == []


def test_each_state_has_its_word_and_failures_a_reason(store: str, opened: Open) -> None:
    runs = opened("demo", "run-1", range(1, 7)).trials
    for run_id in runs[1:]:
        start_trial(store, run_id, "f")
    end_run(store, runs[2], "FINISHED")
    end_run(store, runs[3], "FAILED", "out of memory")
    end_run(store, runs[4], "KILLED", "the pod was lost")
    end_run(store, runs[5], "KILLED")
    assert study_progress(store, "run-1") == [
        TrialProgress("baseline", 1, "waiting", None),
        TrialProgress("baseline", 2, "running", None),
        TrialProgress("baseline", 3, "finished", None),
        TrialProgress("baseline", 4, "failed", "out of memory"),
        TrialProgress("baseline", 5, "stopped", "the pod was lost"),
        TrialProgress("baseline", 6, "stopped", None),
    ]


def test_a_trial_that_finished_after_all_has_no_reason(store: str, opened: Open) -> None:
    runs = opened("demo", "run-1").trials
    end_run(store, runs[0], "KILLED", "its process is gone")
    end_run(store, runs[0], "FINISHED")
    assert study_progress(store, "run-1")[0] == TrialProgress("baseline", 1, "finished", None)


def test_trials_come_as_opened_over_several_pages(
    store: str, opened: Open, requests: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened("other", "run-0")
    opened("demo", "run-1", range(12, 0, -1))
    monkeypatch.setattr(search, "PAGE", 5)
    requests.clear()
    assert [trial.seed for trial in study_progress(store, "run-1")] == list(range(12, 0, -1))
    assert requests == ["search_experiments", "search_runs", *["search_runs"] * 3]


def test_trials_of_one_millisecond_are_ordered_by_seed(
    store: str, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlflow.tracking._tracking_service.client.get_current_time_millis", lambda: 1_700_000_000_000)
    monkeypatch.setattr("mlflow.store.tracking.sqlalchemy_store.get_current_time_millis", lambda: 1_700_000_000_000)
    opened("demo", "run-1", range(12, 0, -1))
    assert [trial.seed for trial in study_progress(store, "run-1")] == list(range(1, 13))


def test_requests_do_not_grow_with_the_trials(store: str, opened: Open, requests: list[str]) -> None:
    counted = []
    for run, trials in (("run-1", 2), ("run-2", 20)):
        opened("demo", run, range(trials))
        requests.clear()
        assert len(study_progress(store, run)) == trials
        counted.append(len(requests))
    assert counted == [3, 3]


def test_a_study_is_found_behind_many_experiments(store: str, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    opened("oldest", "run-1")
    for number in range(7):
        client(store).create_experiment(f"e{number}")
    monkeypatch.setattr(search, "PAGE", 3)
    assert len(study_progress(store, "run-1")) == 3


def test_of_a_repeated_first_step_the_newer_study_counts(store: str, opened: Open) -> None:
    opened("demo", "run-1", range(1, 3))
    opened("demo", "run-1", range(1, 5))
    assert len(study_progress(store, "run-1")) == 4


def test_open_studies_are_those_of_kubeflow_runs_not_yet_ended(store: str, opened: Open) -> None:
    ended, waiting, running = (opened("demo", run) for run in ("run-1", "run-2", "run-3"))
    opened("demo", None)
    opened("other", "run-4")
    reap(store, ended.experiment_id, ended.study)
    client(store).update_run(waiting.study, status="SCHEDULED")
    assert open_studies_of(store, "demo") == [(waiting.study, "run-2"), (running.study, "run-3")]
