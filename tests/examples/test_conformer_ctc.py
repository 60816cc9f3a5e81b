"""The recipe of examples/conformer_ctc: it learns, it resumes exactly, and its arms are judged by a whole study."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from ablation.report.content import load
from corpora.store import Corpus
from recipes import plans, registry
from recipes.base import TrainingJob, TranscriptionJob

ROOT = Path(__file__).parents[2]
PLAN = ROOT / "examples" / "conformer_ctc" / "plan.yaml"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv(registry.TRUSTED, "")
    return plans.of(plans.read_plan(PLAN))


def job(
    recipe: Any, corpus: Path, folder: Path, log: Any = lambda _step, _metrics: None, **settings: Any
) -> TrainingJob:
    folder.mkdir(exist_ok=True)
    resolved = recipe.catalogue.resolve("default", {"training.batch_size": 4, "encoder.width": 16, **settings})
    return TrainingJob("baseline", resolved, 1, corpus, folder, folder.with_suffix(".states"), log, save_every_s=0)


def test_the_plan_has_three_arms(recipe: Any) -> None:
    arms = plans.arms_of(plans.read_plan(PLAN))
    assert [arm.arm for arm in arms] == ["baseline", "convolution-first", "no-augmentation"]
    facts = recipe.check({arm.arm: arm.settings for arm in arms})
    assert facts.parameters["baseline"] == facts.parameters["convolution-first"] > 0


def test_a_run_that_was_interrupted_ends_like_one_that_was_not(recipe: Any, small_corpus: Path, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(step: int, _metrics: Mapping[str, float]) -> None:
        if step == 20:
            raise Stopped

    steps = {"training.steps": 24}
    recipe.train(job(recipe, small_corpus, tmp_path / "whole", **steps))
    with pytest.raises(Stopped):
        recipe.train(job(recipe, small_corpus, tmp_path / "parts", stop, **steps))
    logged: list[int] = []
    recipe.train(job(recipe, small_corpus, tmp_path / "parts", lambda step, _: logged.append(step), **steps))
    one, two = (torch.load(tmp_path / name / "model.pt") for name in ("whole", "parts"))
    assert logged == [0, 10, 20, 23]
    assert one["words"] == two["words"]
    assert all(torch.equal(one["weights"][name], two["weights"][name]) for name in one["weights"])


def test_every_utterance_is_transcribed_under_every_condition(recipe: Any, small_corpus: Path, tmp_path: Path) -> None:
    trained = job(recipe, small_corpus, tmp_path / "out", **{"training.steps": 1})
    recipe.train(trained)
    found = recipe.transcribe(
        TranscriptionJob(trained.settings, trained.out, small_corpus, {"babble": [0]}, tmp_path / "scratch")
    )
    ids = [utterance.id for utterance in Corpus.open(small_corpus).utterances("test")]
    assert [(each.condition, each.utterance_id) for each in found] == [
        (condition, name) for condition in ("clean", "babble_0db") for name in ids
    ]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_study_trains_the_arms_and_judges_them(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}"}
    command = [sys.executable, "-m", "cli.main", "run", str(PLAN), "--set", "training.steps=80", "--out", "study"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = load(tmp_path / "study")
    assert {(trial.status, trial.steps) for trial in found.study.trials} == {("finished", 80)}
    assert set(found.verdicts) == {"convolution-first", "no-augmentation"}
    assert (found.study.recipe, [curve.name for curve in found.study.curves]) == (
        "conformer-ctc",
        ["loss", "learning_rate"],
    )
    trial = found.study.trials[0]
    assert trial.wer is not None
    assert trial.wer["wer/clean"] < 1, "it has learned nothing"
