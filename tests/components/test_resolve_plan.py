"""The first step: trials whose runs exist in MLflow, nested under the study's, and nothing for a bad plan."""

import pytest

from ablation.errors import UserError
from components.resolve_plan import resolve
from components.trial import Trial, arm_of, plan_of
from tracking.store import client

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


def test_the_study_nests_under_a_run_that_kubeflow_made(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outer = Trial.from_json(resolve(PLAN, store, "")[0]).study_run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", outer)
    inner = Trial.from_json(resolve(PLAN, store, "")[0]).study_run_id
    assert client(store).get_run(inner).data.tags["mlflow.parentRunId"] == outer


def test_a_bad_plan_opens_nothing(store: str) -> None:
    with pytest.raises(UserError, match=r"did you mean 'fusion\.scale'"):
        resolve(PLAN | {"ablations": [{"part": "fusion.scal", "replacements": {"b": {"kind": "none"}}}]}, store, "")
    assert client(store).get_experiment_by_name("demo") is None
