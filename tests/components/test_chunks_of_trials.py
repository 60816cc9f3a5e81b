"""The two steps of a turn of the loop: several trials, whose checkpoints travel through MLflow."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import Unavailable
from components.evaluate_trials import evaluate_chunk
from components.shared.trial import Status, Todo, Trial
from components.train_trials import train_chunk
from components.workers.isolation import Start
from tracking import checkpoints
from tracking.results import outcomes
from tracking.store import client


@pytest.fixture
def todo(plan: dict[str, Any], searching: Callable[..., Todo], store: str) -> Todo:
    """Three trials of a study in a new store; the last one diverges."""
    return searching(plan, store)


@pytest.fixture
def steps(todo: Todo, small_corpus: Path, here: Start, store: str, tmp_path: Path) -> Any:
    """The steps of a turn, without a process for each trial."""

    class Steps:
        trained, scored = tmp_path / "trained", tmp_path / "scored"

        def train(self, chunk: str) -> list[Status]:
            return train_chunk(chunk, todo, small_corpus, self.trained, tracking_uri=store, threads=1, start=here)

        def evaluate(self, chunk: str) -> list[Status]:
            return evaluate_chunk(
                chunk, todo, small_corpus, self.trained, self.scored, tracking_uri=store, threads=1, start=here
            )

    return Steps()


def test_a_turn_trains_and_scores_its_own_trials(todo: Todo, steps: Any, store: str) -> None:
    assert [(status.arm, status.status) for status in steps.train("2-3")] == [
        ("no-scale", "trained"),
        ("too-fast", "failed"),
    ]
    assert {path.name for path in steps.trained.iterdir()} == {"no-scale-1", "too-fast-1"}
    assert list(steps.trained.rglob("*.safetensors")) == []  # they are in MLflow
    assert [status.status for status in steps.evaluate("2-3")] == ["finished", "failed"]
    first = Trial.from_json(todo.trials[0])
    found = {end.arm: end for end in outcomes(store, first.experiment_id, first.study_run_id).values()}
    assert {arm: (end.status, end.stored) for arm, end in found.items()} == {
        "baseline": ("SCHEDULED", False),
        "no-scale": ("FINISHED", True),
        "too-fast": ("FAILED", True),
    }


def test_a_checkpoint_that_mlflow_did_not_take_stays_in_the_artifact(
    steps: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> str:
        raise ConnectionError("MLflow is away")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "log_checkpoint", away)
        [trained] = steps.train("1-1")
    assert (trained.status, trained.model_id) == ("trained", None)
    assert "MLflow is away" in str(trained.untracked)
    assert (steps.trained / "baseline-1" / "checkpoint" / "model.safetensors").is_file()
    [scored] = steps.evaluate("1-1")
    assert (scored.status, scored.untracked) == ("finished", None)
    assert client(store).get_logged_model(str(scored.model_id)).source_run_id == scored.run_id


def test_a_result_that_mlflow_does_not_take_ends_the_step(steps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparison would call the trial failed, and nobody would know why."""
    import tracking.reuse

    steps.train("1-1")

    def away(*_: object, **_more: object) -> None:
        raise ConnectionError("MLflow is away")

    monkeypatch.setattr(tracking.reuse, "keep", away)
    with pytest.raises(
        Unavailable, match=r"did not take the results of baseline seed 1 \(ConnectionError: MLflow is away\)"
    ):
        steps.evaluate("1-1")
    assert (steps.scored / "baseline-1" / "counts.parquet").is_file()


def test_a_checkpoint_that_is_gone_fails_its_trial_only(steps: Any, store: str, tmp_path: Path) -> None:
    first, second = steps.train("1-2")
    artifacts = tmp_path / "mlflow" / "artifacts"
    [weights] = [path for path in artifacts.rglob("model.safetensors") if str(first.model_id) in str(path)]
    weights.unlink()
    gone, fine = steps.evaluate("1-2")
    assert (gone.status, fine.status) == ("failed", "finished")
    assert "its checkpoint cannot be fetched from MLflow" in str(gone.reason)
    assert client(store).get_run(first.run_id).info.status == "FAILED"
    assert second.model_id != first.model_id
