"""Reuse of finished trials, with real trials in a real store, and what each kind of change trains again."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from ablation.results import read_counts, read_curves, read_study
from common import source_code
from common.errors import UserError
from components.compare_arms import compare_study
from components.find_finished import find
from components.shared.evaluate_one import evaluate
from components.shared.reuse import _as_status_of, _candidates
from components.shared.train_one import train
from components.shared.trial import COUNTS_FILE, Status, Todo, Trial, read_history
from components.workers.isolation import Start
from corpora.store import Corpus
from tracking.reuse import Stored, fetch_files
from tracking.store import client

ROOT = Path(__file__).parents[3]
Finding = Callable[..., list[str]]
FASTER = {"part": "training.learning_rate", "replacements": {"faster": 1e-2}}


@pytest.fixture
def sound(plan: dict[str, Any]) -> dict[str, Any]:
    """The plan without the arm that diverges: both of its trials are finished in the store of `done`."""
    return plan | {"ablations": plan["ablations"][:1]}


def left(items: list[str]) -> list[str]:
    """The arms of the trials that are left."""
    return [trial.arm for trial in map(Trial.from_json, items)]


@pytest.fixture
def carry_out(small_corpus: Path, here: Start) -> Callable[..., tuple[Status, Status]]:
    """Trains and scores one item of the loop, without a process for each; returns the status after either step."""

    def call(item: str, plan: dict[str, Any], folder: Path, uri: str) -> tuple[Status, Status]:
        arguments: dict[str, Any] = {"tracking_uri": uri, "threads": 1, "start": here}
        trained = train(item, plan, small_corpus, folder / "trained", **arguments)
        return trained, evaluate(plan, small_corpus, folder / "trained", folder / "scored", **arguments)

    return call


def noting(asked: list[str], name: str) -> Callable[..., Any]:
    """A call of MLflow's client that notes its name and is made."""
    real = getattr(MlflowClient, name)
    return lambda *args, **options: (asked.append(name), real(*args, **options))[1]


def test_a_second_try_of_a_step_takes_its_own_checkpoint_as_its_own() -> None:
    stored = Status("baseline", 1, "run", status="trained", model_id="m")
    for run_id, reused_from in (("run", None), ("another", "run")):
        assert _as_status_of(stored, Status("baseline", 1, run_id)).reused_from == reused_from


def test_an_unchanged_rerun_trains_nothing_with_equal_results(
    done: Any, sound: dict[str, Any], small_corpus: Path, opening: Any, tmp_path: Path
) -> None:
    given, content = opening(sound, done.uri), Corpus.open(small_corpus).fingerprint
    todo = find(sound, given.trials, content, tracking_uri=done.uri)
    assert todo.trials == []
    assert [status.arm for status in todo.statuses()] == ["baseline", "no-scale"]
    study = tmp_path / "study"
    compare_study(given, study, tracking_uri=done.uri, code_rev="")
    pd.testing.assert_frame_equal(read_counts(study), read_counts(done.study))
    curves = read_curves(done.study)
    pd.testing.assert_frame_equal(read_curves(study), curves[curves["arm"] != "too-fast"])
    for record in read_study(study).trials:
        assert (record.status, record.reused_from) == ("finished", done.status(record.arm).run_id)
        run = client(done.uri).get_run(record.run_id)
        assert (run.info.status, run.data.tags["ablation.reused_from"]) == ("FINISHED", record.reused_from)
        assert run.data.metrics["wer/clean"] == done.status(record.arm).wer["wer/clean"]
        assert "seconds/train" not in run.data.metrics


def test_a_rerun_looks_at_no_trial_alone(
    done: Any, sound: dict[str, Any], small_corpus: Path, opening: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, content = opening(sound, done.uri), Corpus.open(small_corpus).fingerprint
    asked: list[str] = []
    for name in ("get_run", "search_runs", "search_experiments", "log_batch"):
        monkeypatch.setattr(MlflowClient, name, noting(asked, name))
    assert find(sound, given.trials, content, tracking_uri=done.uri).trials == []
    assert asked == ["search_runs"] * 2 + ["log_batch"] * len(given.trials)


def test_known_results_are_tried_before_others_and_once() -> None:
    runs = {name: Stored(name, "", {}, {}) for name in ("known", "found", "older")}
    found = _candidates([runs["known"]], lambda: list(runs.values()))
    assert [stored.run_id for stored in found] == ["known", "found", "older"]


def test_known_results_are_tried_without_a_search() -> None:
    assert next(_candidates([Stored("known", "", {}, {})], list[Stored])).run_id == "known"


def test_a_failed_trial_is_tried_again(done: Any, plan: dict[str, Any], finding: Finding) -> None:
    assert left(finding(plan, done.uri)) == ["too-fast"]


def test_an_arm_that_is_added_trains_and_no_other(
    done: Any, sound: dict[str, Any], finding: Finding, carry_out: Any, tmp_path: Path
) -> None:
    more = sound | {"study": "more", "ablations": [*sound["ablations"], FASTER]}
    items = finding(more, done.uri)
    assert left(items) == ["faster"]
    trained, scored = carry_out(items[0], more, tmp_path, done.uri)
    assert (trained.steps, trained.reused_from, scored.status) == (6, None, "finished")
    assert left(finding(more, done.uri)) == []


def test_another_seed_trains(done: Any, sound: dict[str, Any], finding: Finding) -> None:
    items = finding(sound | {"seeds": [1, 2]}, done.uri)
    assert [(trial.arm, trial.seed) for trial in map(Trial.from_json, items)] == [("baseline", 2), ("no-scale", 2)]


@pytest.mark.parametrize(
    ("file", "text", "trains"),
    [
        ("ablation/stats/significance.py", "# a comment\n", []),
        ("ablation/stats/scoring.py", "# a comment\n", []),
        ("model/fusion.py", "# a comment\n", []),
        ("model/fusion.py", "CHANGED = True\n", ["baseline", "no-scale"]),
    ],
)
def test_a_comment_retrains_nothing_and_a_change_all_its_users(
    done: Any, sound: dict[str, Any], finding: Finding, sources: Path, file: str, text: str, trains: list[str]
) -> None:
    with (sources / file).open("a") as source:
        source.write(text)
    source_code.forget()
    assert left(finding(sound, done.uri)) == trains


def test_another_condition_scores_again_and_trains_nothing(
    done: Any, sound: dict[str, Any], finding: Finding, carry_out: Any, tmp_path: Path
) -> None:
    louder = sound | {"conditions": {"babble": [0.0, -5.0]}}
    items = finding(louder, done.uri)
    assert left(items) == ["baseline", "no-scale"]
    for number, item in enumerate(items):
        trained, scored = carry_out(item, louder, tmp_path / str(number), done.uri)
        first = done.status(trained.arm)
        assert (trained.status, trained.reused_from, trained.model_id) == ("trained", first.run_id, first.model_id)
        assert (scored.status, scored.reused_from, scored.scored_by) == ("finished", first.run_id, None)
        assert scored.wer is not None
        assert scored.wer["wer/babble_0db"] == first.wer["wer/babble_0db"]
        assert read_history(tmp_path / str(number) / "scored") == read_history(done.scored[number])
        weights = tmp_path / str(number) / "trained" / "checkpoint" / "model.safetensors"
        assert weights.read_bytes() == (done.trained[number] / "checkpoint" / "model.safetensors").read_bytes()
        tags = client(done.uri).get_run(scored.run_id).data.tags
        assert tags["ablation.reused_from"] == first.run_id
    assert left(finding(louder, done.uri)) == []


def test_the_same_trial_under_another_arms_name_is_that_arms(
    done: Any, plan: dict[str, Any], searching: Callable[..., Todo], tmp_path: Path
) -> None:
    renamed = plan | {"ablations": [{"part": "fusion.scale", "replacements": {"unweighted": {"kind": "none"}}}]}
    todo = searching(renamed, done.uri)
    assert todo.trials == []
    status = next(status for status in todo.statuses() if status.arm == "unweighted")
    assert status.reused_from == done.status("no-scale").run_id
    fetch_files(done.uri, status.run_id, tmp_path)
    assert Status.read(tmp_path).arm == "unweighted"
    assert set(pd.read_parquet(tmp_path / COUNTS_FILE)["arm"]) == {"unweighted"}


def test_what_is_forced_trains(done: Any, sound: dict[str, Any], finding: Finding) -> None:
    assert left(finding(sound, done.uri, force="no-scale")) == ["no-scale"]
    assert left(finding(sound, done.uri, force="*")) == ["baseline", "no-scale"]
    with pytest.raises(UserError, match="did you mean 'no-scale'"):
        finding(sound, done.uri, force="noscale")


def test_a_forced_trial_is_trained_and_gives_the_same_wer(
    done: Any, sound: dict[str, Any], finding: Finding, carry_out: Any, tmp_path: Path
) -> None:
    [item] = finding(sound, done.uri, force="baseline")
    trained, scored = carry_out(item, sound, tmp_path, done.uri)
    assert (trained.reused_from, scored.scored_by) == (None, None)
    assert trained.model_id != done.status("baseline").model_id
    assert scored.wer == done.status("baseline").wer


def test_a_checkpoint_that_is_gone_is_trained_again(
    plan: dict[str, Any], finding: Finding, store: str, carry_out: Any, tmp_path: Path
) -> None:
    alone = plan | {"ablations": []}
    [item] = finding(alone, store)
    carry_out(item, alone, tmp_path / "one", store)
    shutil.rmtree(tmp_path / "mlflow" / "artifacts")
    items = finding(alone, store)
    assert left(items) == ["baseline"]
    trained, scored = carry_out(items[0], alone, tmp_path / "two", store)
    assert (trained.reused_from, scored.status) == (None, "finished")
