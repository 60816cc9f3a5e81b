"""Power and cost in `ablate plan`, with and without a store of earlier studies."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablation.plan.arms import expand
from ablation.plan.plan import plan_from_mapping
from pipelines.local.outlook import outlook
from recipes.smile import CATALOGUE
from tracking.runs import end_run, log_scores
from tracking.studies import open_study

Ablate = Callable[..., Any]
PlanFile = Callable[..., Path]
CORPUS = "synthetic://talking-mouth?train=30"
STEPS, SEEDS, SPREAD = 40, range(30), 0.004


@pytest.fixture
def measured(store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with one study of 30 seeds, whose trials took 90 s."""
    rng = np.random.default_rng(1)
    trials = [
        {"arm": arm, "seed": seed, "part": None, "params": {"training.steps": STEPS}}
        for seed in SEEDS
        for arm in ("baseline", "a")
    ]
    params = {"corpus": CORPUS, "preset": "tiny"}
    runs = open_study(store, "old", question="", params=params, conditions=["clean"], trials=trials)
    for run_id in runs.trials:
        scores = {"wer/clean": rng.normal(0.1, SPREAD), "seconds/train": 80.0, "seconds/evaluate": 10.0}
        log_scores(store, run_id, scores, None)
        end_run(store, run_id, "FINISHED")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return store


def power(ablate: Ablate, path: Path) -> dict[str, Any]:
    return json.loads(ablate("plan", path, "--json").out)["power"]


@pytest.mark.usefixtures("measured")
def test_spread_and_cost_come_from_earlier_studies(ablate: Ablate, plan_file: PlanFile) -> None:
    path = plan_file(corpus=CORPUS, baseline={"training.steps": STEPS}, seeds=[1, 2, 3, 4], conditions={"babble": [0]})
    found = power(ablate, path)
    assert found["spread_points"]["clean"] == pytest.approx(100 * SPREAD, rel=0.3)
    assert found["spread_points"]["babble_0db"] == pytest.approx(1.34)
    assert found["spread_source"].startswith("measured with tiny, ")
    assert found["spread_source"].endswith(" for babble_0db; as in 1 earlier study")
    assert found["trial_seconds"] == 90
    mine = next(rung for rung in found["ladder"] if rung["seeds"] == 4)
    assert mine["device_hours"] == pytest.approx(8 * 90 / 3600)
    assert "4 seeds (this plan): differences of " in ablate("plan", path).out


def test_a_ladder_with_looks_has_expected_trials(measured: str) -> None:
    looks = {"looks": [3, 6], "margin_points": 2, "ladder": ["fusion", "masking", "siamese"], "conditions": {}}
    settings = {"corpus": CORPUS, "baseline": {"training.steps": STEPS}}
    plan = plan_from_mapping({"study": "x", **looks, **settings})
    found = outlook(plan, expand(plan, CATALOGUE), measured, CATALOGUE)
    assert found is not None
    said = "with looks, if all rungs and effects are of 2 points: 12 trials on average, 24 at most; 0.3 device-hours"
    assert any(line.startswith(said) for line in found.lines())


@pytest.mark.usefixtures("measured")
def test_another_number_of_steps_is_another_kind_of_study(ablate: Ablate, plan_file: PlanFile) -> None:
    found = power(ablate, plan_file(corpus=CORPUS, baseline={"training.steps": STEPS + 1}))
    assert found["spread_points"]["clean"] != pytest.approx(100 * SPREAD, rel=0.3)
    assert found["trial_seconds"] is None


def test_without_earlier_studies_the_spread_is_the_measured_one(
    ablate: Ablate, plan_file: PlanFile, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    said = ablate("plan", plan_file(margin_points=0.5, preset="tiny", baseline={"training.steps": 700})).out
    assert "points, measured with tiny, " in said
    assert "no study of this corpus, preset and steps in MLflow yet" in said
    assert "between seeds 0.3" not in said
    assert "cost unknown" in said
    assert "within 0.5 points takes " in said
    assert not Path(store.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize("earlier", [False, True])
def test_a_study_at_100_percent_cannot_tell_anything(
    ablate: Ablate, plan_file: PlanFile, store: str, monkeypatch: pytest.MonkeyPatch, earlier: bool
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    corpus = "synthetic://talking-mouth?train=64&test=16&valid=8"
    if earlier:
        trials = [
            {"arm": arm, "seed": seed, "part": None, "params": {"training.steps": 12}}
            for seed in (1, 2)
            for arm in ("baseline", "a")
        ]
        runs = open_study(
            store, "old", question="", params={"corpus": corpus, "preset": "tiny"}, conditions=["clean"], trials=trials
        )
        for run_id in runs.trials:
            log_scores(store, run_id, {"wer/clean": 1.0}, None)
            end_run(store, run_id, "FINISHED")
    path = plan_file(corpus=corpus, baseline={"training.steps": 12}, seeds=[1, 2], conditions={}, margin_points=1)
    said = ablate("plan", path).out
    assert "cannot tell anything: about all words are wrong after so few steps" in said
    assert "as in 1 earlier study" in said or not earlier
    assert "differences of" not in said
    assert power(ablate, path)["saturated"] == ["clean"]


def test_a_store_that_is_away_stops_no_plan(
    ablate: Ablate, plan_file: PlanFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    for key, value in {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}.items():
        monkeypatch.setenv(key, value)
    answer = ablate("plan", plan_file())
    assert answer.code == 0
    assert "MLflow could not be asked" in answer.out


def test_a_plan_of_the_baseline_alone_has_no_power(ablate: Ablate, plan_file: PlanFile) -> None:
    assert power(ablate, plan_file(ablations=[])) is None
