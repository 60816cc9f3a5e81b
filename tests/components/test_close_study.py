"""The last step: it closes what is open and reports on what there is, and changes nothing of a study that has ended."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import components.compare_arms as compare_arms
from ablation.results import read_study
from components.close_study import close
from components.compare_arms import compare_study
from components.find_finished import find, store_corpus
from components.register_checkpoint import register_best
from components.resolve_plan import resolve
from components.shared.gather import LOST
from components.shared.trial import Resolved, Trial
from corpora.store import Corpus
from tracking.runs import start_trial, trial_runs
from tracking.store import client, prepare_store

Opened = Callable[..., Resolved]


@pytest.fixture
def study(done: Any, plan: dict[str, Any], small_corpus: Path) -> Opened:
    """Opens a study for a run of the pipeline, in the store in which both of its sound trials are finished."""

    def call(run: str, **changes: Any) -> Resolved:
        mine = plan | {"study": run} | changes
        given = Resolved(mine, resolve(mine, done.uri, "abc", run))
        corpus = Corpus.open(small_corpus)
        store_corpus(done.uri, Trial.from_json(given.trials[0]).study_run_id, corpus.summary())
        find(mine, given.trials, corpus.fingerprint, tracking_uri=done.uri)
        return given

    return call


def states(uri: str, given: Resolved) -> dict[str, tuple[str, str | None]]:
    """Arm -> status and reason of its run; the study itself under ``."""
    item = Trial.from_json(given.trials[0])
    runs = [client(uri).get_run(item.study_run_id), *trial_runs(uri, item.experiment_id, item.study_run_id)]
    tags = [run.data.tags for run in runs]
    return {
        tag.get("ablation.arm", ""): (run.info.status, tag.get("ablation.reason"))
        for run, tag in zip(runs, tags, strict=True)
    }


def test_a_lost_pod_is_reported_with_the_trials_that_ended(done: Any, study: Opened, tmp_path: Path) -> None:
    given = study("lost-pod")
    lost = Trial.from_json(given.trials[2])
    start_trial(done.uri, lost.run_id, "abc")
    said, compared = close("lost-pod", tmp_path / "study", tracking_uri=done.uri, code_rev="abc", why="a pod was lost")
    assert said == "the study is closed; the report covers the 2 of 3 trials that have a result"
    assert compared is not None
    assert {trial.arm: trial.status for trial in read_study(tmp_path / "study").trials} == {
        "baseline": "finished",
        "no-scale": "finished",
        "too-fast": "failed",
    }
    assert states(done.uri, given) == {
        "": ("FAILED", "a pod was lost"),
        "baseline": ("FINISHED", None),
        "no-scale": ("FINISHED", None),
        "too-fast": ("KILLED", LOST),
    }
    files = {item.path for item in client(done.uri).list_artifacts(lost.study_run_id)}
    assert {"study.json", "report.html"} <= files
    again, nothing = close("lost-pod", tmp_path / "again", tracking_uri=done.uri, code_rev="abc")
    assert (again, nothing) == ("the study has ended before, and nothing is open", None)
    assert not (tmp_path / "again").exists()


def test_a_trial_that_did_not_begin_says_so(done: Any, study: Opened, tmp_path: Path) -> None:
    given = study("too-early")
    close("too-early", tmp_path / "study", tracking_uri=done.uri, code_rev="")
    status, reason = states(done.uri, given)["too-fast"]
    assert status == "KILLED"
    assert str(reason).startswith("it did not begin: its pod was lost before, or the pipeline ended")


def test_a_study_without_a_result_has_no_report(plan: dict[str, Any], store: str, tmp_path: Path) -> None:
    given = Resolved(plan, resolve(plan, store, "", "nothing"))
    said, compared = close("nothing", tmp_path / "study", tracking_uri=store, code_rev="", why="no corpus")
    assert (said, compared) == ("the study is closed; no trial has a result, so there is no report", None)
    found = states(store, given)
    assert found.pop("") == ("FAILED", "no corpus")
    assert {status for status, _ in found.values()} == {"KILLED"}


def test_a_fault_of_the_report_leaves_no_open_run(
    done: Any, study: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = study("faulty")
    monkeypatch.setattr(compare_arms, "compare_study", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        close("faulty", tmp_path / "study", tracking_uri=done.uri, code_rev="")
    assert {status for status, _ in states(done.uri, given).values()} == {"FINISHED", "KILLED", "FAILED"}


def test_a_report_that_is_there_is_not_written_again(done: Any, study: Opened, tmp_path: Path) -> None:
    """The comparison ended, and the pod of the registration was lost."""
    given = study("unregistered", ablations=[])
    compare_study(given, tmp_path / "study", tracking_uri=done.uri, code_rev="")
    said, compared = close("unregistered", tmp_path / "again", tracking_uri=done.uri, code_rev="")
    assert (said, compared) == ("the study is closed; the report was there", None)
    assert states(done.uri, given)[""][0] == "FAILED"


def test_a_study_that_was_registered_stays_as_it_is(done: Any, study: Opened, tmp_path: Path) -> None:
    given = study("registered", ablations=[])
    compare_study(given, tmp_path / "study", tracking_uri=done.uri, code_rev="")
    register_best(given.plan, tmp_path / "study", tracking_uri=done.uri)
    said, _ = close("registered", tmp_path / "again", tracking_uri=done.uri, code_rev="")
    assert said == "the study has ended before, and nothing is open"
    assert states(done.uri, given)[""] == ("FINISHED", None)


def test_a_first_step_that_was_started_again_leaves_one_study(plan: dict[str, Any], store: str, tmp_path: Path) -> None:
    first, second = (Resolved(plan, resolve(plan, store, "", "twice")) for _ in range(2))
    close("twice", tmp_path / "study", tracking_uri=store, code_rev="")
    assert states(store, first)[""] == ("KILLED", "the first step was started again")
    assert states(store, second)[""][0] == "FAILED"


def test_a_run_that_opened_no_study_is_closed(store: str, tmp_path: Path) -> None:
    prepare_store(store)
    said, compared = close("unknown", tmp_path / "study", tracking_uri=store, code_rev="")
    assert said == "the run has opened no study; the log of resolve-plan says why"
    assert compared is None


@pytest.mark.parametrize(("uri", "words"), [("", "no address of MLflow"), ("http://127.0.0.1:9", "does not answer")])
def test_without_mlflow_nothing_is_closed(
    uri: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said, compared = close("unknown", tmp_path / "study", tracking_uri=uri, code_rev="")
    assert words in said
    assert compared is None
