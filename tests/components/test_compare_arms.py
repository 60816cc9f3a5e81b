"""The study's folder and report: complete whatever became of the trials, and of MLflow."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ablation.records import Study, TrialRecord
from ablation.results import read_counts, read_curves, read_study
from components.compare_arms import Compared, compare_and_report, compare_study
from components.register_checkpoint import register_best
from components.shared.gather import LOST, gather
from components.shared.outcome import record_failure
from components.shared.problem import TooManyFailed
from components.shared.trial import HISTORY_FILE, Resolved, Status, Trial, read_history
from corpora.store import Corpus
from tracking.store import client

AWAY = "http://me:secret@127.0.0.1:9"  # nothing listens there


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")


@pytest.fixture
def compare(done: Any, small_corpus: Path) -> Callable[..., Compared]:
    """Compares the trials of the study, from the folders that are given."""

    def call(folders: list[Path], out: Path, uri: str = done.uri) -> Compared:
        summary = Corpus.open(small_corpus).summary()
        return compare_and_report(done.given, folders, summary, out, tracking_uri=uri, code_rev="")

    return call


def test_the_study_has_every_trial_in_the_plans_order(done: Any, small_corpus: Path) -> None:
    study = read_study(done.study)
    assert [(trial.arm, trial.status) for trial in study.trials] == [
        ("baseline", "finished"),
        ("no-scale", "finished"),
        ("too-fast", "failed"),
    ]
    assert study.corpus["fingerprint"] == Corpus.open(small_corpus).fingerprint
    assert study.conditions == ["clean", "babble_0db"]
    assert study.provenance["git_revision"] == "abc"
    assert study.provenance["image"] == "none, run from source"
    assert study.hygiene is not None
    assert set(study.hygiene.arms) == {"baseline", "no-scale", "too-fast"}
    assert study.provenance["versions"]["torch"].startswith("2.")
    assert all(seconds >= 0 for seconds in study.wall_seconds.values())


def test_the_record_has_no_key_that_its_type_lacks(done: Any) -> None:
    written = json.loads((done.study / "study.json").read_text())
    assert set(written) == set(Study.model_fields)
    assert {key for trial in written["trials"] for key in trial} == set(TrialRecord.model_fields)
    for trial in read_study(done.study).trials:
        status = done.status(trial.arm)
        for key in TrialRecord.model_fields:
            assert getattr(trial, key) == getattr(status, key)


def test_an_error_leaves_the_study_of_before_as_it_was(done: Any, compare: Any, tmp_path: Path) -> None:
    folder, broken = tmp_path / "study", tmp_path / "broken"
    shutil.copytree(done.study, folder)
    shutil.copytree(done.scored[0], broken)
    (broken / "counts.parquet").write_bytes(b"half a table")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(pa.ArrowInvalid):
        compare([broken, *done.scored[1:]], folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "study"]


def test_the_record_is_put_in_place_last(done: Any, compare: Any, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    (folder / "study.json").mkdir(parents=True)  # which no file can replace
    with pytest.raises(IsADirectoryError):
        compare(done.scored, folder)
    assert {path.name for path in folder.iterdir()} == {path.name for path in done.study.iterdir()}


def test_counts_have_finished_trials_and_curves_have_all(done: Any) -> None:
    assert list(read_counts(done.study)["arm"].unique()) == ["baseline", "no-scale"]
    curves = read_curves(done.study)
    assert set(curves["arm"]) == {"baseline", "no-scale", "too-fast"}
    losses = curves[(curves["arm"] == "baseline") & (curves["metric"] == "loss")]
    logged = [(step, metrics["loss"]) for step, metrics in read_history(done.scored[0]) if "loss" in metrics]
    assert list(zip(losses["step"], losses["value"], strict=True)) == logged


def test_the_report_has_the_wers_and_the_reason_of_a_failure(done: Any) -> None:
    reports = [f"report.{name}" for name in ("html", "md", "tex", "csv", "json")]
    assert [path.name for path in done.report] == [*reports, "report-figures.pdf"]
    text = (done.study / "report.md").read_text()
    assert "training diverged: the loss is nan" in text
    wer = done.status("no-scale").wer["wer/clean"]
    assert f"{100 * wer:.1f}" in text


def test_the_report_hangs_on_the_study_run_in_mlflow(done: Any) -> None:
    run_id = done.trials[0].study_run_id
    files = {item.path for item in client(done.uri).list_artifacts(run_id) if not item.is_dir}
    assert files == {path.name for path in done.study.iterdir()}
    note = client(done.uri).get_run(run_id).data.tags["mlflow.note.content"]
    assert "Do the steps fit together?" in note
    assert "too-fast" in note


def test_mlflow_has_the_verdicts_and_numbers_of_the_study(done: Any) -> None:
    run = client(done.uri).get_run(done.trials[0].study_run_id)
    assert not done.described.startswith("Open:")
    assert "\n| no-scale | " in done.described
    wers = [done.status(arm).wer["wer/clean"] for arm in ("no-scale", "baseline")]
    assert run.data.metrics["arm/no-scale/clean/difference"] == pytest.approx(wers[0] - wers[1])


def test_a_page_goes_where_kubeflow_looks_for_it(done: Any, compare: Any, tmp_path: Path) -> None:
    compared = compare(done.scored, tmp_path / "study")
    compared.publish(tmp_path / "page", tmp_path / "text")
    assert (tmp_path / "page").read_bytes() == (tmp_path / "study" / "report.html").read_bytes()
    assert "no-scale" in (tmp_path / "text").read_text()
    wer = done.status("no-scale").wer["wer/clean"]
    assert wer in compared.metrics.values()


@pytest.mark.usefixtures("impatient")
def test_without_mlflow_the_report_is_written_without_passwords(done: Any, compare: Any, tmp_path: Path) -> None:
    files = compare(done.scored, tmp_path / "study", AWAY).files
    assert [path.is_file() for path in files] == [True] * 6
    text = "".join(
        path.read_text() for path in tmp_path.rglob("*") if path.suffix in (".json", ".html", ".md", ".tex", ".csv")
    )
    assert "secret" not in text
    assert json.loads((tmp_path / "study" / "study.json").read_text())["mlflow"]["url"].startswith(
        "http://me@127.0.0.1:9/#/experiments/"
    )


def test_a_study_without_finished_trials_has_a_report(
    plan: dict[str, Any], opening: Callable[..., Resolved], store: str, tmp_path: Path
) -> None:
    given, study = opening(plan, store), tmp_path / "study"
    for number, text in enumerate(given.trials):
        item, folder = Trial.from_json(text), tmp_path / str(number)
        status = Status(item.arm, item.seed, item.run_id).fail("out of luck").write(folder)
        if not number:
            (folder / HISTORY_FILE).write_text('{"step": 0, "metrics": {"loss": NaN}}\n{"step": 1')
        assert record_failure(status, folder, store).untracked is None
    compare_study(given, study, tracking_uri=store, code_rev="")
    assert "out of luck" in (study / "report.md").read_text()
    assert read_counts(study).empty
    assert set(read_curves(study)["arm"]) == {"baseline"}
    with pytest.raises(TooManyFailed, match="3 of 3 trials failed; the plan allows 1"):
        register_best(plan, study, tracking_uri=store)
    run = client(store).get_run(Trial.from_json(given.trials[0]).study_run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["ablation.champion"] == "no champion: baseline has no finished trial in this study"


def test_a_trial_without_a_result_is_a_failed_one(
    done: Any, opening: Any, plan: dict[str, Any], tmp_path: Path
) -> None:
    """A pod that was lost, and one whose run says why it ended."""
    given = opening(plan | {"study": "lost"}, done.uri)
    stopped = Trial.from_json(given.trials[1])
    client(done.uri).set_tag(stopped.run_id, "ablation.reason", "the node was drained")
    found = [Status.read(folder) for folder in gather(done.uri, given.trials, tmp_path)]
    assert [(status.status, status.reason) for status in found] == [
        ("failed", LOST),
        ("failed", "the node was drained"),
        ("failed", LOST),
    ]
