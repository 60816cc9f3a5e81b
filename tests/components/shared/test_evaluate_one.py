"""Scoring a trial: the counts against an independent WER, MLflow's numbers, and failures that are passed on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jiwer
import pandas as pd
import pytest

from ablation.results import COUNTS_COLUMNS, DETAIL_COLUMNS
from components.shared.evaluate_one import evaluate
from components.shared.trial import CHECKPOINT_FOLDER, COUNTS_FILE, Status, read_history
from components.workers.isolation import Start
from corpora.store import Corpus
from tracking.store import client


def test_counts_cover_the_test_split_under_every_condition(done: Any, small_corpus: Path) -> None:
    counts = pd.read_parquet(done.scored[0] / COUNTS_FILE)
    assert list(counts) == COUNTS_COLUMNS + DETAIL_COLUMNS
    expected = {utterance.id for utterance in Corpus.open(small_corpus).utterances("test")}
    for condition in ("clean", "babble_0db"):
        assert set(counts[counts["condition"] == condition]["utterance_id"]) == expected
    assert len(counts) == 2 * len(expected)
    assert not list(done.scored[0].glob(".*"))


def test_wers_are_those_of_another_program_and_stand_in_mlflow(done: Any) -> None:
    for folder in done.scored[:2]:
        status, counts = Status.read(folder), pd.read_parquet(folder / COUNTS_FILE)
        assert (status.status, status.untracked) == ("finished", None)
        clean = counts[counts["condition"] == "clean"]
        assert status.wer is not None
        assert status.wer["wer/clean"] == pytest.approx(jiwer.wer(list(clean.reference), list(clean.hypothesis)))
        assert status.wer["wer/overall"] == pytest.approx(jiwer.wer(list(counts.reference), list(counts.hypothesis)))
        run = client(done.uri).get_run(status.run_id)
        assert run.info.status == "FINISHED"
        assert status.wer.items() <= run.data.metrics.items()
        assert run.data.metrics["parameters"] == status.parameters
        model = client(done.uri).get_logged_model(status.model_id)
        assert {metric.key: metric.value for metric in model.metrics}["wer/clean"] == status.wer["wer/clean"]


def test_a_failed_trial_passes_through_with_curves_only(done: Any) -> None:
    assert Status.read(done.scored[2]) == Status.read(done.trained[2])
    assert read_history(done.scored[2]) == read_history(done.trained[2])
    assert not (done.scored[2] / COUNTS_FILE).exists()


def test_an_unreadable_checkpoint_fails_only_its_trial(
    done: Any, plan: dict[str, Any], small_corpus: Path, here: Start, tmp_path: Path
) -> None:
    broken, out = tmp_path / "broken", tmp_path / "out"
    # Another run: MLflow's client remembers the artifacts of a run by its id, whatever the store.
    replace(Status.read(done.trained[0]), run_id="0" * 32).write(broken)
    (broken / CHECKPOINT_FOLDER).mkdir()
    config = Path(CHECKPOINT_FOLDER) / "config.json"
    (broken / config).write_text((done.trained[0] / config).read_text())
    away = f"sqlite:///{tmp_path / 'no-such-run.db'}"
    status = evaluate(plan, small_corpus, broken, out, tracking_uri=away, threads=1, start=here)
    assert status.failed
    assert "lacks ['model.safetensors']" in str(status.reason)
    assert status.untracked is not None
    assert Status.read(broken).status == "trained"
