"""The first step: trials whose runs exist in MLflow, nested under the study's, and nothing for a bad plan."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import UserError
from components.find_finished import log_corpus
from components.resolve_plan import resolve
from components.shared.inputs import store_of
from components.shared.trial import Trial, arm_of, plan_of
from tracking.store import client, prepare_store

PLAN = {
    "study": "demo",
    "seeds": [1, 2],
    "ablations": [{"part": "fusion.scale", "why": "needed?", "replacements": {"no-scale": {"kind": "none"}}}],
}


def test_every_trial_has_a_run_of_its_own_below_the_study(store: str) -> None:
    items = [Trial.from_json(text) for text in resolve(PLAN, store, "abc")]
    assert [(item.arm, item.seed) for item in items] == [
        ("baseline", 1),
        ("no-scale", 1),
        ("baseline", 2),
        ("no-scale", 2),
    ]
    assert len({item.run_id for item in items}) == 4
    study = client(store).get_run(items[0].study_run_id)
    assert study.data.params["code_rev"] == "abc"
    assert (study.info.experiment_id, study.info.status) == (items[0].experiment_id, "RUNNING")
    for item in items:
        run = client(store).get_run(item.run_id)
        assert run.data.tags["mlflow.parentRunId"] == study.info.run_id
        assert (run.data.tags["ablation.arm"], run.data.tags["ablation.seed"]) == (item.arm, str(item.seed))
        kind = arm_of(plan_of(PLAN), item.arm).settings["parts"]["fusion.scale"]["kind"]
        assert run.data.params["parts.fusion.scale.kind"] == kind
        assert run.info.status == "SCHEDULED"
        change = "no change" if item.arm == "baseline" else "fusion.scale.kind = none"
        assert f"{item.arm} ({change}), seed {item.seed}." in run.data.tags["mlflow.note.content"]
        assert run.data.tags["mlflow.source.git.commit"] == "abc"


def test_the_corpus_is_the_dataset_of_all_runs_and_its_lack_stops_nothing(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    items = resolve(PLAN, store, "abc")
    summary = {"uri": "synthetic://talking-mouth", "fingerprint": "c4065d6c", "train": 8, "valid": 2, "test": 4}
    log_corpus(store, items, summary)
    first, last = Trial.from_json(items[0]), Trial.from_json(items[-1])
    for run_id in (first.study_run_id, first.run_id, last.run_id):
        used = client(store).get_run(run_id).inputs
        assert used is not None
        assert [one.dataset.digest for one in used.dataset_inputs] == ["c4065d6c"] * 2
    log_corpus(store, [replace(first, study_run_id="none").to_json()], summary)
    assert "tracking: MlflowException" in capsys.readouterr().out


def test_the_study_nests_under_a_run_that_kubeflow_made(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outer = Trial.from_json(resolve(PLAN, store, "")[0]).study_run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", outer)
    inner = Trial.from_json(resolve(PLAN, store, "")[0]).study_run_id
    assert client(store).get_run(inner).data.tags["mlflow.parentRunId"] == outer


def test_the_mlflow_plugin_of_kubeflow_keeps_its_own_runs(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin names the step's own run, and ends what is directly below that run when the step ends."""
    prepare_store(store)
    experiment = client(store).create_experiment("KFP-Default")
    pipeline = client(store).create_run(experiment, run_name="demo-run").info.run_id
    step = client(store).create_run(experiment, run_name="resolve-plan", tags={"mlflow.parentRunId": pipeline})
    for name, value in {
        "MLFLOW_RUN_ID": step.info.run_id,
        "MLFLOW_EXPERIMENT_ID": experiment,
        "MLFLOW_TRACKING_URI": store,
    }.items():
        monkeypatch.setenv(name, value)
    items = [Trial.from_json(text) for text in resolve(PLAN, store_of(""), "")]
    study = client(store).get_run(items[0].study_run_id)
    assert study.data.tags["mlflow.parentRunId"] == pipeline
    assert client(store).get_experiment(study.info.experiment_id).name == "demo"
    for run_id in (pipeline, step.info.run_id):
        run = client(store).get_run(run_id)
        assert (run.info.status, run.data.params, run.data.metrics) == ("RUNNING", {}, {})
    assert client(store).get_run(step.info.run_id).data.tags == step.data.tags


def test_a_current_run_in_another_store_is_nobodys_parent(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", 32 * "0")
    study_run_id = Trial.from_json(resolve(PLAN, store, "")[0]).study_run_id
    study = client(store).get_run(study_run_id)
    assert "mlflow.parentRunId" not in study.data.tags


def test_a_bad_plan_opens_nothing(store: str) -> None:
    with pytest.raises(UserError, match=r"did you mean 'fusion\.scale'"):
        resolve(PLAN | {"ablations": [{"part": "fusion.scal", "replacements": {"b": {"kind": "none"}}}]}, store, "")
    assert not Path(store.removeprefix("sqlite:///")).exists()
