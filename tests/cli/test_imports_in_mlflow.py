"""`ablate import --mlflow` with a real store: runs of the study and its trials, once, and the commands that read them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

Ablate = Callable[..., Any]
ARMS = {"baseline": 0.8, "wide": 0.85}


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        (arm, seed, condition, level + seed / 1000 + (arm == "wide") * seed**2 / 1000)
        for arm, level in ARMS.items()
        for seed in (1, 2, 3)
        for condition in ("day", "night (rain)")
    ]
    pd.DataFrame(rows, columns=["arm", "seed", "condition", "value"]).to_csv("scores.csv", index=False)


def log(ablate: Ablate, store: str, *options: object) -> Any:
    scores = ["--scores", "scores.csv", "--metric", "accuracy", "--out", "studies/mine"]
    return ablate("import", *scores, "--mlflow", "--tracking-uri", store, *options)


def runs(store: str) -> list[Any]:
    client = MlflowClient(store)
    return client.search_runs([client.get_experiment_by_name("mine").experiment_id])


def test_a_study_is_logged_once_with_its_trials_and_its_report(ablate: Ablate, store: str) -> None:
    answers = [log(ablate, store) for _ in range(2)]
    assert [answer.code for answer in answers] == [0, 0]
    assert "logged to MLflow" in answers[0].err
    found = runs(store)
    assert {run.info.status for run in found} == {"FINISHED"}
    [study] = [run for run in found if run.data.tags["ablation.role"] == "study"]
    trials = {(run.data.params["arm"], run.data.params["seed"]): run for run in found if run is not study}
    assert len(trials) == 6
    assert trials["wide", "3"].data.metrics == pytest.approx(
        {"accuracy/day": 0.862, "accuracy/night _rain_": 0.862, "accuracy/overall": 0.862}
    )
    assert all(run.data.tags["mlflow.parentRunId"] == study.info.run_id for run in trials.values())
    names = {item.path for item in MlflowClient(store).list_artifacts(study.info.run_id)}
    assert {"study.json", "counts.parquet", "report.html", "report.md"} <= names
    record = json.loads(Path("studies/mine/study.json").read_text(encoding="utf-8"))
    assert record["mlflow"]["study_run_id"] == study.info.run_id
    experiment = MlflowClient(store).get_experiment_by_name("mine")
    view = json.loads(experiment.tags[f"mlflow.sharedViewState.{study.info.run_id}"])
    assert {chart["metricKey"] for chart in view["compareRunCharts"]} == {"accuracy/day", "accuracy/night _rain_"}


def test_other_results_are_another_study_run_and_failed_trials_have_a_reason(ablate: Ablate, store: str) -> None:
    log(ablate, store)
    frame = pd.read_csv("scores.csv")
    frame.iloc[1:].to_csv("scores.csv", index=False)
    assert log(ablate, store, "--missing-trials", "as-failed").code == 0
    found = runs(store)
    assert sum(run.data.tags["ablation.role"] == "study" for run in found) == 2
    [failed] = [run for run in found if run.info.status == "FAILED"]
    assert failed.data.tags["ablation.reason"] == "no values for day"


def test_the_gate_takes_it_from_mlflow_and_the_champion_is_none(ablate: Ablate, store: str) -> None:
    log(ablate, store)
    gate = ablate("gate", "mine", "--from-mlflow", "--tracking-uri", store)
    assert (gate.code, "gate passed" in gate.out) == (0, True)
    for options in ([], ["--rollback"]):
        champion = ablate("champion", "mine", "--tracking-uri", store, *options)
        assert (champion.code, "has no checkpoints and no champion" in champion.err) == (2, True)
        assert len(champion.err.splitlines()) == 1


def test_a_store_that_does_not_answer_leaves_no_folder(ablate: Ablate) -> None:
    answer = log(ablate, "http://127.0.0.1:9")
    assert (answer.code, answer.out) == (1, "")
    assert len(answer.err.splitlines()) == 1
    assert not Path("studies").exists()
    alone = ablate("import", "--scores", "scores.csv", "--out", "studies/mine", "--tracking-uri", "sqlite:///x.db")
    assert (alone.code, "--tracking-uri names the store of --mlflow" in alone.err) == (2, True)


def test_an_interrupted_import_is_ended_by_the_next_one(
    ablate: Ablate, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tracking import imported
    from tracking import runs as written

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(written, "log_study_report", killed)
        patched.setattr(written, "reap", killed)  # as if the process was killed
        assert imported.reap is not killed
        assert log(ablate, store).code == 130
    assert "RUNNING" in {run.info.status for run in runs(store)}
    assert log(ablate, store).code == 0
    assert {run.info.status for run in runs(store)} == {"FINISHED", "KILLED"}
