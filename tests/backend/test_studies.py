"""Whole studies on the emulated server: a first one, and the next one that reuses its trials."""

import pytest
from emulated_studies import Place, plan
from emulator.records import Run
from emulator.workflow import MOST_BYTES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # whole studies, step by step
SPARE = 0.7  # of every limit may be used
PLAN = plan("first", seeds=[1, 2])
TRIALS = {(arm, seed) for arm in ("baseline", "no-scale") for seed in (1, 2)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mlflow_address: str) -> Place:
    return Place(tmp_path_factory.mktemp("studies"), mlflow_address)


@pytest.fixture(scope="module")
def first(place: Place) -> Run:
    return place.run(PLAN, {"trials_per_task": "2"})


@pytest.fixture(scope="module")
def rerun(place: Place, first: Run) -> Run:
    assert first.state == "SUCCEEDED", first.told()
    return place.run(PLAN)


def test_a_first_study_succeeds(place: Place, first: Run) -> None:
    assert first.state == "SUCCEEDED", first.told()
    study, trials = place.runs(first)
    assert study.info.status == "FINISHED"
    assert {key: trial.info.status for key, trial in trials.items()} == dict.fromkeys(TRIALS, "FINISHED")
    assert {"report.html", "report.json", "study.json"} <= place.attached(first)
    assert first.names[-1] == "close-study"
    assert len(first.of("train-trials")) == 2  # turns of two trials


def test_its_results_do_not_travel_through_kubeflow(first: Run) -> None:
    up, down = first.bytes("uploaded"), first.bytes("downloaded")
    assert sum(count for name, count in down.items() if name.endswith(".corpus")) < 4_000
    trained = [count for name, count in (up | down).items() if name.endswith(".trained")]
    assert sum(trained) < 50_000 * len(TRIALS)


def test_its_sizes_leave_room(first: Run) -> None:
    assert first.longest_argument < SPARE * 128 * 1024
    assert first.packed_bytes < SPARE * MOST_BYTES


def test_the_next_study_trains_nothing(place: Place, rerun: Run) -> None:
    assert rerun.state == "SUCCEEDED", rerun.told()
    assert rerun.of("train-trials") == rerun.of("evaluate-trials") == []
    assert rerun.step_pods <= 6
    assert place.statuses(rerun) == dict.fromkeys(TRIALS, "FINISHED")
    assert {"report.html", "study.json"} <= place.attached(rerun)


def test_the_next_study_has_the_same_results(place: Place, first: Run, rerun: Run) -> None:
    before, after = (place.runs(each)[1] for each in (first, rerun))
    for key, trial in before.items():
        assert after[key].data.metrics["wer/clean"] == trial.data.metrics["wer/clean"]


def test_a_corpus_that_was_deleted_is_prepared_again(place: Place, rerun: Run) -> None:
    assert rerun.state == "SUCCEEDED"
    folder = place.folder / "corpora"
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    run = place.run(plan("first"), {"force": "no-scale"})
    assert run.state == "SUCCEEDED", run.told()
    assert len(run.of("train-trials")) == 1
    assert any(folder.rglob("*"))


def test_any_user_with_a_read_only_root(place: Place, rerun: Run) -> None:
    """Without volumes: the corpus is small enough for the store, and states stay in the pod."""
    assert rerun.state == "SUCCEEDED"
    arguments = {"corpora_root": "", "state_root": "", "force": "no-scale"}
    run = place.run(plan("first"), arguments, user=4242, read_only=True)
    assert run.state == "SUCCEEDED", run.told()
    assert [step.state for step in run.of("train-trials")] == ["succeeded"]
    assert set(place.statuses(run).values()) == {"FINISHED"}
