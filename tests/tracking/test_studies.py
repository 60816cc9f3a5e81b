"""Runs of a study in a real SQLite store."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from common.errors import UserError
from tracking.runs import end_run, log_history, log_scores, log_study_report, open_again, reap, start_trial, trial_runs
from tracking.store import client, prepare_store
from tracking.studies import StudyRuns, flat, open_study
from tracking.view import TAG_PREFIX, deep_link, view_state

TRIALS = [{"arm": arm, "seed": seed, "part": None, "params": {"x": 1}} for seed in (1, 2) for arm in ("baseline", "b")]


@pytest.fixture
def runs(store: str) -> StudyRuns:
    return open_study(
        store, "demo", question="Why?", params={"preset": "tiny"}, conditions=["clean", "babble_0db"], trials=TRIALS
    )


def status(store: str, run_id: str) -> str:
    return str(client(store).get_run(run_id).info.status)


def test_trials_are_nested_tagged_and_wait(store: str, runs: StudyRuns) -> None:
    assert len(runs.trials) == len(TRIALS)
    found = {run.info.run_id: run for run in trial_runs(store, runs.experiment_id, runs.study)}
    for run_id, trial in zip(runs.trials, TRIALS, strict=True):
        tags = found[run_id].data.tags
        assert (tags["ablation.arm"], tags["ablation.seed"]) == (trial["arm"], str(trial["seed"]))
        assert tags["ablation.role"] == "trial"
        assert status(store, run_id) == "SCHEDULED"
    assert status(store, runs.study) == "RUNNING"


def test_a_study_nests_under_the_run_that_it_is_given(store: str, runs: StudyRuns) -> None:
    inner = open_study(store, "demo", question="", params={}, conditions=["clean"], trials=[], parent_run_id=runs.study)
    assert client(store).get_run(inner.study).data.tags["mlflow.parentRunId"] == runs.study


def test_a_repeated_history_adds_no_points_and_nan_none(store: str, runs: StudyRuns) -> None:
    history = [(step, {"loss": 1.0 / (step + 1), "wer/valid": float("nan")}) for step in range(3)]
    for _ in range(2):
        log_history(store, runs.trials[0], history)
    points = client(store).get_metric_history(runs.trials[0], "loss")
    assert [(point.step, point.value) for point in points] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert client(store).get_metric_history(runs.trials[0], "wer/valid") == []


def test_scores_curves_and_tags_of_a_reused_trial_are_one_request(
    store: str, runs: StudyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    log_batch = MlflowClient.log_batch

    def noting(self: MlflowClient, run_id: str, *args: Any, **kwargs: Any) -> None:
        sent.append(run_id)
        log_batch(self, run_id, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_batch", noting)
    history = [(step, {"loss": 1.0 / (step + 1), "wer/valid": float("nan")}) for step in range(3)]
    for _ in range(2):
        log_scores(store, runs.trials[0], {"wer/clean": 0.25}, None, history=history, tags={"origin": "there"})
    assert len(sent) == 2
    run = client(store).get_run(runs.trials[0])
    assert run.data.metrics == {"wer/clean": 0.25, "loss": 1 / 3}
    assert run.data.tags["origin"] == "there"
    points = client(store).get_metric_history(runs.trials[0], "loss")
    start = run.info.start_time
    assert [(p.step, p.value, p.timestamp - start) for p in points] == [(0, 1.0, 0), (1, 0.5, 1), (2, 1 / 3, 2)]


def test_scores_and_ends(store: str, runs: StudyRuns) -> None:
    start_trial(store, runs.trials[0], "abc")
    log_scores(store, runs.trials[0], {"wer/clean": 0.0}, None)
    end_run(store, runs.trials[0], "FINISHED")
    end_run(store, runs.trials[1], "FAILED", "diverged")
    run = client(store).get_run(runs.trials[0])
    assert run.data.metrics == {"wer/clean": 0.0}
    assert (run.info.status, run.data.tags["ablation.fingerprint"]) == ("FINISHED", "abc")
    assert client(store).get_run(runs.trials[1]).data.tags["ablation.reason"] == "diverged"


def test_reap_ends_only_open_runs(store: str, runs: StudyRuns) -> None:
    end_run(store, runs.trials[0], "FINISHED")
    assert reap(store, runs.experiment_id, runs.study) == len(TRIALS)  # three trials and the study
    assert [status(store, run_id) for run_id in runs.trials] == ["FINISHED", "KILLED", "KILLED", "KILLED"]
    assert reap(store, runs.experiment_id, runs.study) == 0


def test_a_run_that_ended_too_early_is_opened_again(store: str, runs: StudyRuns) -> None:
    end_run(store, runs.trials[0], "KILLED", "its step was stopped from outside")
    for _ in range(2):
        open_again(store, runs.trials[0])
        run = client(store).get_run(runs.trials[0])
        assert run.info.status == "RUNNING"
        assert "ablation.reason" not in run.data.tags


def test_the_report_is_attached_and_its_note_is_on_the_run(store: str, runs: StudyRuns, tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    file.write_text("# report")
    log_study_report(store, runs.study, [file], "**no difference**", {"factorial/a x b/clean/p": 0.5})
    assert client(store).get_run(runs.study).data.metrics == {"factorial/a x b/clean/p": 0.5}
    assert client(store).get_run(runs.study).data.tags["mlflow.note.content"] == "**no difference**"
    assert [item.path for item in client(store).list_artifacts(runs.study)] == ["report.md"]


def test_the_view_groups_trials_by_arm_and_charts_every_condition(store: str, runs: StudyRuns) -> None:
    tags = client(store).get_experiment(runs.experiment_id).tags
    state = json.loads(tags[f"{TAG_PREFIX}{runs.study}"])
    assert state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "ablation.arm"}]
    bars = [chart["metricKey"] for chart in state["compareRunCharts"] if chart["type"] == "BAR"]
    assert bars == ["wer/clean", "wer/babble_0db"]
    both = json.loads(view_state(runs.study, ["clean", "babble_0db"], ["wer", "cer"]))
    bars = [chart for chart in both["compareRunCharts"] if chart["type"] == "BAR"]
    assert [chart["metricKey"] for chart in bars] == ["wer/clean", "wer/babble_0db", "cer/clean", "cer/babble_0db"]
    assert {chart["metricSectionId"] for chart in bars} < {section["uuid"] for section in both["compareRunSections"]}
    link = deep_link("http://host:5000/", runs.experiment_id, runs.study)
    assert link.startswith(f"http://host:5000/#/experiments/{runs.experiment_id}/runs?viewStateShareKey={runs.study}")


def test_several_first_users_of_a_store(store: str) -> None:
    code = f"from tracking.store import prepare_store; prepare_store({store!r})"
    users = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [user.communicate()[1] for user in users]
    assert [user.returncode for user in users] == [0, 0, 0], errors
    prepare_store(store)
    assert client(store).search_experiments()


def test_a_store_that_cannot_be_used_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_bytes(b"this is no database, and long enough for SQLite to notice that")
    with pytest.raises(UserError, match="check MLFLOW_TRACKING_URI"):
        prepare_store(f"sqlite:///{tmp_path / 'no.db'}")


def test_settings_become_dotted_parameters() -> None:
    assert flat({"a": 1, "b": {"c": {"d": 2}}, "e": (1, 2)}) == {"a": 1, "b.c.d": 2, "e": (1, 2)}
