"""Files of trials and studies in MLflow, cut, zeroed, forged or missing: the damage is found and said before use."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from damage import DAMAGES, Damage, cut, damaged, missing, zeroed

from ablation.results import read_study
from common.checksums import Damaged
from components.compare_arms import compare_study
from components.shared.champion import stored
from components.shared.gather import gather
from components.shared.reuse import take_scored, take_trained, usable
from components.shared.trial import CORPUS_FILE, Resolved, Status, Trial
from tracking import local_copies
from tracking.checkpoints import fetch_checkpoint
from tracking.registry import STUDY_RUN, Version, fetch_study
from tracking.results import read_input
from tracking.reuse import SUMS, fetch_files, find_scored, find_trained, keep
from tracking.store import client
from tracking.studies import open_study

TRIAL_FILES = ("counts.parquet", "history.jsonl", "status.json")


def trial_of(done: Any, arm: str) -> Trial:
    return next(trial for trial in done.trials if trial.arm == arm)


def files(done: Any, pattern: str) -> list[Path]:
    """The files in the store of the study, e.g. `*/artifacts/trial/counts.parquet`."""
    return list((Path(done.uri.removeprefix("sqlite:///")).parent / "artifacts").glob(f"*/{pattern}"))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", TRIAL_FILES)
def test_damaged_files_of_a_trial_are_not_taken(
    done: Any, name: str, damage: Damage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = trial_of(done, "baseline")
    with damaged(files(done, f"*/artifacts/trial/{name}"), damage):
        taken = take_scored(done.uri, trial, tmp_path / "out")
    assert taken.status is None
    newest = find_scored(done.uri, trial.evaluation)[0].run_id
    assert f"the results of run {newest} cannot be used" in str(taken.unusable)
    assert name in str(taken.unusable)
    assert str(taken.unusable) in capsys.readouterr().out
    assert list((tmp_path / "out").iterdir()) == []


def test_a_trial_with_damaged_counts_is_scored_again_and_not_trained(done: Any, tmp_path: Path) -> None:
    trial = trial_of(done, "baseline")
    with damaged(files(done, "*/artifacts/trial/counts.parquet"), cut):
        taken = take_trained(done.uri, trial, tmp_path / "out")
        found = find_trained(done.uri, trial.fingerprint)
        assert usable(done.uri, found) == (
            None,
            f"the results of run {found[0].run_id} cannot be used (of run "
            f"{found[0].run_id} in MLflow, counts.parquet differs from what was stored (its SHA-256 is another))",
        )
        assert usable(done.uri, found, trained=True) == (found[0].run_id, None)
    assert taken.status is not None
    assert (taken.status.status, taken.unusable) == ("trained", None)
    expected = ["checkpoint", "history.jsonl", "status.json"]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == expected


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_damaged_checkpoint_is_not_taken(done: Any, name: str, damage: Damage, tmp_path: Path) -> None:
    with damaged(files(done, f"models/*/artifacts/{name}"), damage):
        taken = take_trained(done.uri, trial_of(done, "no-scale"), tmp_path / "out")
    assert taken.status is None
    assert name in str(taken.unusable)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["study.json", "counts.parquet", "curves.parquet", "report.html"])
def test_damaged_files_of_a_study_are_not_taken(done: Any, name: str, damage: Damage, tmp_path: Path) -> None:
    run = trial_of(done, "baseline").study_run_id
    with (
        damaged(files(done, f"{run}/artifacts/{name}"), damage),
        pytest.raises(Damaged, match=rf"of run {run} in MLflow, {name} (is missing|differs)"),
    ):
        fetch_study(done.uri, run, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    fetch_study(done.uri, run, tmp_path / "out")
    assert read_study(tmp_path / "out").study == "demo"


def test_an_older_run_with_the_same_result_is_used(
    done: Any, plan: dict[str, Any], searching: Callable[..., Any], tmp_path: Path
) -> None:
    searching(plan, done.uri)
    trial = trial_of(done, "baseline")
    newest, older, *_ = find_scored(done.uri, trial.evaluation)
    with damaged(files(done, f"{newest.run_id}/artifacts/trial/counts.parquet"), missing):
        assert usable(done.uri, [newest, older])[0] == older.run_id
        taken = take_scored(done.uri, trial, tmp_path)
    assert taken.unusable is None
    assert taken.status is not None
    assert taken.status.scored_by == done.status("baseline").run_id


def test_a_result_that_cannot_be_used_is_on_the_trial_and_on_its_status(
    done: Any, plan: dict[str, Any], searching: Callable[..., Any]
) -> None:
    with damaged(files(done, "*/artifacts/trial/counts.parquet"), missing):
        todo = searching(plan, done.uri)
    reasons = {trial.arm: trial.unusable for trial in map(Trial.from_json, todo.trials)}
    assert set(reasons) == {"baseline", "no-scale", "too-fast"}
    assert reasons["too-fast"] is None
    assert "counts.parquet is missing" in str(reasons["baseline"])


@pytest.fixture
def earlier(done: Any) -> Iterator[Trial]:
    """A trial whose only runs are those of a version without checksums."""
    trial = trial_of(done, "baseline")
    found = find_scored(done.uri, trial.evaluation)
    for run in found:
        client(done.uri).delete_tag(run.run_id, SUMS)
    yield trial
    for run in found:
        client(done.uri).set_tag(run.run_id, SUMS, run.tags[SUMS])


def zero_errors(file: Path) -> None:
    counts = pd.read_parquet(file)
    counts.assign(substitutions=0, deletions=0, insertions=0).to_parquet(file, index=False)


def half_the_rows(file: Path) -> None:
    counts = pd.read_parquet(file)
    counts.iloc[: len(counts) // 2].to_parquet(file, index=False)


def fewer_utterances(file: Path) -> None:
    counts = pd.read_parquet(file)
    counts[counts["utterance_id"] != counts["utterance_id"].iloc[0]].to_parquet(file, index=False)


def swapped_counts(file: Path) -> None:
    """Give one utterance an error more and another one less, which changes no rate."""
    counts = pd.read_parquet(file)
    rows = counts.index[counts["condition"] == "clean"]
    counts.loc[rows[0], "deletions"] += 1
    counts.loc[rows[1], "deletions"] -= 1
    counts.to_parquet(file, index=False)


@pytest.mark.parametrize("damage", [cut, zeroed, missing, zero_errors, half_the_rows, fewer_utterances, swapped_counts])
def test_counts_of_an_earlier_version_must_give_the_wers_of_their_run(
    done: Any, earlier: Trial, damage: Damage, tmp_path: Path
) -> None:
    with damaged(files(done, "*/artifacts/trial/counts.parquet"), damage):
        taken = take_scored(done.uri, earlier, tmp_path)
    assert taken.status is None
    assert list(tmp_path.iterdir()) == []


def test_sound_counts_of_an_earlier_version_are_taken(done: Any, earlier: Trial, tmp_path: Path) -> None:
    taken = take_scored(done.uri, earlier, tmp_path)
    assert taken.status is not None
    assert taken.status.wer == done.status("baseline").wer


@pytest.mark.parametrize("name", TRIAL_FILES)
def test_a_trial_that_cannot_be_fetched_is_failed_and_the_report_comes(done: Any, name: str, tmp_path: Path) -> None:
    trial = trial_of(done, "no-scale")
    with damaged(files(done, f"{trial.run_id}/artifacts/trial/{name}"), missing):
        compare_study(done.given, tmp_path / "study", tracking_uri=done.uri, code_rev="")
    # The artifacts of the study's run are now those of this report.
    study = read_study(tmp_path / "study")
    found = {record.arm: record for record in study.trials}
    assert found["baseline"].status == "finished"
    assert found["no-scale"].status == "failed"
    assert f"its result is in MLflow, in run {trial.run_id}, and cannot be used" in str(found["no-scale"].reason)
    assert "cannot be used" in (tmp_path / "study" / "report.md").read_text()
    compare_study(done.given, tmp_path / "again", tracking_uri=done.uri, code_rev="")


def test_a_kill_while_files_are_replaced_leaves_a_checkpoint_that_is_found(store: str, tmp_path: Path) -> None:
    """Training has stored its files; the process is killed while scoring stores its own, before the tags are set."""
    trial = {"arm": "baseline", "seed": 1, "part": None, "params": {}}
    [run_id] = open_study(store, "killed", question="", params={}, conditions=["clean"], trials=[trial]).trials
    status = Status("baseline", 1, run_id, status="trained")
    status.write(tmp_path / "new")
    (tmp_path / "new" / "history.jsonl").write_text('{"step": 0, "metrics": {"loss": 1.0}}\n')
    keep(store, run_id, tmp_path / "new", {"ablation.model": "m-1"})
    replace(status, status="finished").write(tmp_path / "new")
    (tmp_path / "new" / "counts.parquet").write_bytes(b"table")

    def killed(*_arguments: object, **_more: object) -> None:
        raise SystemExit(137)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client(store), "log_batch", killed)
        with pytest.raises(SystemExit):
            keep(store, run_id, tmp_path / "new", {"ablation.evaluation": "e"}, again=True)
    (tmp_path / "out").mkdir()
    fetch_files(store, run_id, tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["history.jsonl", "status.json"]


def test_files_of_another_trial_are_not_taken_for_this_one(done: Any, tmp_path: Path) -> None:
    """Both runs and their checksums are exchanged, as in a store that was put together by hand."""
    ours, other = trial_of(done, "baseline"), trial_of(done, "no-scale")
    [mine], [theirs] = (files(done, f"{each.run_id}/artifacts/trial/status.json") for each in (ours, other))
    tag = client(done.uri).get_run(ours.run_id).data.tags[SUMS]
    foreign = client(done.uri).get_run(other.run_id).data.tags[SUMS]
    whole = {file: file.read_bytes() for file in mine.parent.iterdir()}
    try:
        for file in theirs.parent.iterdir():
            (mine.parent / file.name).write_bytes(file.read_bytes())
        client(done.uri).set_tag(ours.run_id, SUMS, foreign)
        first, *_ = gather(done.uri, done.given.trials, tmp_path)
    finally:
        client(done.uri).set_tag(ours.run_id, SUMS, tag)
        for file, content in whole.items():
            file.write_bytes(content)
    assert Status.read(first).status == "failed"
    assert "are those of no-scale seed 1" in str(Status.read(first).reason)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_champions_damaged_study_is_one_sentence(done: Any, damage: Damage) -> None:
    run = trial_of(done, "baseline").study_run_id
    version = Version("1", {STUDY_RUN: run, "arm": "baseline"})
    assert len(stored(done.uri, "demo", version).counts)
    with (
        damaged(files(done, f"{run}/artifacts/counts.parquet"), damage),
        pytest.raises(Damaged, match=r"counts\.parquet"),
    ):
        stored(done.uri, "demo", version)
    gone = Version("1", {STUDY_RUN: "0" * 32, "arm": "baseline"})
    with pytest.raises(Damaged, match="no longer exists in MLflow; run the study again"):
        stored(done.uri, "demo", gone)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_inputs_of_a_study_are_not_read(
    plan: dict[str, Any], opening: Callable[..., Resolved], store: str, damage: Damage, tmp_path: Path
) -> None:
    run = Trial.from_json(opening(plan, store).trials[0]).study_run_id
    assert "fingerprint" in read_input(store, run, CORPUS_FILE)
    with (
        damaged((tmp_path / "mlflow").rglob(CORPUS_FILE), damage),
        pytest.raises(Exception, match=rf"{CORPUS_FILE} differs" if damage is not missing else CORPUS_FILE),
    ):
        read_input(store, run, CORPUS_FILE)


def test_copies_of_this_machine_are_taken_if_they_are_sound(
    done: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = done.status("baseline")
    monkeypatch.setenv(local_copies.VARIABLE, str(tmp_path / "copies"))
    fetch_checkpoint(done.uri, str(status.model_id), tmp_path / "one")
    local_copies.put(status.run_id, files(done, f"{status.run_id}/artifacts/trial/*"))
    away = [*files(done, f"models/{status.model_id}/artifacts/*"), *files(done, f"{status.run_id}/artifacts/trial/*")]
    with damaged([file for file in away if file.is_file()], missing):
        fetch_checkpoint(done.uri, str(status.model_id), tmp_path / "two")
        (tmp_path / "files").mkdir()
        fetch_files(done.uri, status.run_id, tmp_path / "files")
        assert Status.read(tmp_path / "files").run_id == status.run_id
        local_copies.drop(str(status.model_id))
        with pytest.raises(Exception, match=r"config\.json|No such"):
            fetch_checkpoint(done.uri, str(status.model_id), tmp_path / "three")
    (tmp_path / "copies" / status.run_id / "counts.parquet").write_bytes(b"forged")
    fetch_files(done.uri, status.run_id, tmp_path / "files")
    assert len(pd.read_parquet(tmp_path / "files" / "counts.parquet"))
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
