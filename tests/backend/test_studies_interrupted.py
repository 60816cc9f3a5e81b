"""Studies on the emulated server that lose pods, use too much memory, or are terminated; and what the next study finds."""

import pytest
from emulated_studies import OPEN, Place, plan
from emulator import memory
from emulator.faults import lose_pod, terminate
from emulator.records import Run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # whole studies, step by step
TRAINING = "/minio/**/trained/*/history.jsonl"  # a trial has logged its first step
WAITING = "waiting for run"  # what a step says that waits for the lease of another run
ENDLESS = {"training.steps": 1_000_000}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mlflow_address: str) -> Place:
    return Place(tmp_path_factory.mktemp("interrupted"), mlflow_address)


@pytest.fixture(scope="module")
def lost(place: Place) -> Run:
    """A study of four trials, each in a turn of its own, of which two lose their pods while they train."""
    given = plan("lost", seeds=[1, 2], baseline={"training.steps": 60})
    faults = [
        lose_pod("train-trials", "sigkill", turn=0, file=TRAINING),
        lose_pod("train-trials", "memory", turn=1, file=TRAINING),
    ]
    return place.run(given, faults=faults)


def test_a_lost_pod_costs_its_own_turn(lost: Run) -> None:
    assert lost.state == "FAILED"
    ended = [(step.state, step.code, step.reason) for step in lost.of("train-trials")]
    assert ended[:2] == [("failed", 137, "SIGKILL"), ("failed", 137, "OOMKilled")], lost.told()
    assert [step.state for step in lost.of("evaluate-trials")] == ["omitted", "omitted", "succeeded", "succeeded"]
    assert lost.step("compare-arms").state == "omitted"


def test_a_study_with_lost_pods_is_closed_and_reported(place: Place, lost: Run) -> None:
    assert lost.step("close-study").state == "succeeded", lost.told()
    study, trials = place.runs(lost)
    assert study.info.status == "FAILED"
    statuses = place.statuses(lost)
    assert sorted(statuses.values()) == ["FINISHED", "FINISHED", "KILLED", "KILLED"]
    gone = [trial for key, trial in trials.items() if statuses[key] == "KILLED"]
    assert all("its step ended" in trial.data.tags["ablation.reason"] for trial in gone)
    assert {"report.html", "study.json"} <= place.attached(lost)


def test_the_next_study_trains_what_was_lost(place: Place, lost: Run) -> None:
    assert lost.state == "FAILED"
    run = place.run(plan("lost", seeds=[1, 2], baseline={"training.steps": 60}))
    assert run.state == "SUCCEEDED", run.told()
    assert len(run.of("train-trials")) == 2
    assert set(place.statuses(run).values()) == {"FINISHED"}
    assert not any(WAITING in step.log for step in run.of("train-trials"))


def test_a_trial_over_its_memory_fails_and_its_pod_lives(place: Place) -> None:
    if memory.kind() == "watched":
        pytest.skip("this machine lets nobody make a memory group")
    hungry = {"part": "encoder.width", "replacements": {"wide": 4096}}
    given = plan("hungry", ablations=[hungry], max_failed_trials=1)
    run = place.run(given, {"trials_per_task": "2"}, memory={"train-trials": 1200 << 20})
    assert [(step.state, step.reason) for step in run.of("train-trials")] == [("succeeded", "")], run.told()
    statuses = place.statuses(run)
    assert statuses == {("baseline", 1): "FINISHED", ("wide", 1): "FAILED"}, run.told()
    assert "memory" in place.runs(run)[1]["wide", 1].data.tags["ablation.reason"]


@pytest.fixture(scope="module")
def terminated(place: Place) -> Run:
    return place.run(
        plan("ended", baseline=ENDLESS), {"trials_per_task": "2"}, faults=[terminate("train-trials", file=TRAINING)]
    )


def test_a_terminated_study_leaves_nothing_open(place: Place, terminated: Run) -> None:
    assert terminated.states[-2:] == ["CANCELING", "FAILED"]
    assert terminated.step("close-study").state == "succeeded", terminated.told()
    study, _ = place.runs(terminated)
    statuses = place.statuses(terminated)
    assert not OPEN & {study.info.status, *statuses.values()}
    assert set(statuses.values()) == {"KILLED"}


def test_the_next_study_does_not_wait_for_a_terminated_one(place: Place, terminated: Run) -> None:
    assert terminated.state == "FAILED"
    fault = terminate("train-trials", file=TRAINING)
    run = place.run(plan("ended", baseline=ENDLESS), {"trials_per_task": "2"}, faults=[fault])
    assert fault.times == 0, run.told()  # the trial was training
    [step] = run.of("train-trials")
    assert WAITING not in step.log
