"""The study's folder and report: complete whatever became of the trials, and of MLflow."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ablation.results import Study, TrialRecord, read_counts, read_curves, read_study
from components.compare_arms import compare_and_report, publish
from components.register_checkpoint import register_best
from components.resolve_plan import resolve
from components.shared.problem import TooManyFailed
from components.shared.trial import HISTORY_FILE, Status, Trial, read_history
from corpora.store import Corpus
from tracking.store import client

AWAY = "http://me:secret@127.0.0.1:9"  # nothing listens there


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")


def items_of(done: Any) -> list[str]:
    return [trial.to_json() for trial in done.trials]


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


def test_an_error_leaves_the_study_of_before_as_it_was(
    done: Any, plan: dict[str, Any], small_corpus: Path, tmp_path: Path
) -> None:
    folder, broken = tmp_path / "study", tmp_path / "broken"
    shutil.copytree(done.study, folder)
    shutil.copytree(done.scored[0], broken)
    (broken / "counts.parquet").write_bytes(b"half a table")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(pa.ArrowInvalid):
        compare_and_report(
            plan,
            items_of(done),
            [broken, *done.scored[1:]],
            small_corpus,
            folder,
            tracking_uri=done.uri,
            code_rev="",
        )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "study"]


def test_the_record_is_put_in_place_last(done: Any, plan: dict[str, Any], small_corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    (folder / "study.json").mkdir(parents=True)  # which no file can replace
    with pytest.raises(IsADirectoryError):
        compare_and_report(plan, items_of(done), done.scored, small_corpus, folder, tracking_uri=done.uri, code_rev="")
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
    files = {item.path for item in client(done.uri).list_artifacts(run_id)}
    assert files == {path.name for path in done.study.iterdir()}
    note = client(done.uri).get_run(run_id).data.tags["mlflow.note.content"]
    assert "Do the steps fit together?" in note
    assert "too-fast" in note


def test_a_page_goes_where_kubeflow_looks_for_it(done: Any, tmp_path: Path) -> None:
    publish(done.report, {".html": tmp_path / "page", ".md": tmp_path / "text"})
    assert (tmp_path / "page").read_bytes() == (done.study / "report.html").read_bytes()
    assert (tmp_path / "text").read_bytes() == (done.study / "report.md").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("impatient")
def test_without_mlflow_the_report_is_written_without_passwords(
    done: Any, plan: dict[str, Any], small_corpus: Path, tmp_path: Path
) -> None:
    files = compare_and_report(
        plan, items_of(done), done.scored, small_corpus, tmp_path / "study", tracking_uri=AWAY, code_rev=""
    )
    assert [path.is_file() for path in files] == [True] * 6
    text = "".join(
        path.read_text() for path in tmp_path.rglob("*") if path.suffix in (".json", ".html", ".md", ".tex", ".csv")
    )
    assert "secret" not in text
    assert json.loads((tmp_path / "study" / "study.json").read_text())["mlflow"]["url"].startswith(
        "http://me@127.0.0.1:9/#/experiments/"
    )


@pytest.fixture
def missed(done: Any, plan: dict[str, Any], store: str, tmp_path: Path) -> tuple[list[Trial], list[Path]]:
    """The same trials in another store, which was away from their first step to their last."""
    items = [Trial.from_json(text) for text in resolve(plan, store, "")]
    folders = []
    for item, scored in zip(items, done.scored, strict=True):
        folder = tmp_path / "scored" / item.arm
        replace(Status.read(scored), run_id=item.run_id, model_id=None, untracked="away").write(folder)
        for file in scored.glob("[!s]*"):
            (folder / file.name).write_bytes(file.read_bytes())
        folders.append(folder)
    return items, folders


def test_what_mlflow_missed_is_logged_by_the_comparison(
    missed: tuple[list[Trial], list[Path]], plan: dict[str, Any], small_corpus: Path, store: str, tmp_path: Path
) -> None:
    items, folders = missed
    texts = [item.to_json() for item in items]
    for _ in range(2):  # twice is as good as once
        compare_and_report(plan, texts, folders, small_corpus, tmp_path / "study", tracking_uri=store, code_rev="")
    found = [client(store).get_run(item.run_id) for item in items]
    assert [run.info.status for run in found] == ["FINISHED", "FINISHED", "FAILED"]
    for run, folder in zip(found[:2], folders, strict=False):
        status = Status.read(folder)
        assert status.wer is not None
        assert status.wer.items() <= run.data.metrics.items()
        assert run.data.tags["ablation.fingerprint"] == status.fingerprint
        points = client(store).get_metric_history(run.info.run_id, "loss")
        assert [point.step for point in points] == [0, 5]
    assert found[2].data.tags["ablation.reason"].startswith("training diverged")


def test_a_study_without_finished_trials_has_a_report(
    plan: dict[str, Any], small_corpus: Path, store: str, tmp_path: Path
) -> None:
    texts = resolve(plan, store, "")
    folders = []
    for text in texts:
        item = Trial.from_json(text)
        folders.append(tmp_path / item.arm)
        Status(item.arm, item.seed, item.run_id).fail("out of luck").write(folders[-1])
    (folders[0] / HISTORY_FILE).write_text('{"step": 0, "metrics": {"loss": NaN}}\n{"step": 1')
    study = tmp_path / "study"
    compare_and_report(plan, texts, folders, small_corpus, study, tracking_uri=store, code_rev="")
    assert "out of luck" in (study / "report.md").read_text()
    assert read_counts(study).empty
    with pytest.raises(TooManyFailed, match="3 of 3 trials failed; the plan allows 1"):
        register_best(plan, study, tracking_uri=store)
    run = client(store).get_run(Trial.from_json(texts[0]).study_run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["ablation.champion"] == "no champion: baseline has no finished trial in this study"
