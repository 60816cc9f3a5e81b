"""Results of earlier studies, read from a real store."""

import pytest

from tracking.earlier import earlier_trials
from tracking.runs import end_run, log_scores, trial_runs
from tracking.store import client, prepare_store
from tracking.studies import open_study

CORPUS = "synthetic://talking-mouth"


def run_study(store: str, name: str, corpus: str = CORPUS, steps: int = 750, seconds: float | None = 60.0) -> str:
    """A study with a finished trial and a failed one."""
    trials = [{"arm": "baseline", "seed": s, "part": None, "params": {"training.steps": steps}} for s in (1, 2)]
    params = {"corpus": corpus, "preset": "tiny"}
    runs = open_study(store, name, question="", params=params, conditions=["clean"], trials=trials)
    scores = {
        "wer/clean": 0.0,
        "wer/babble_0db": 0.25,
        "cer/clean": 0.125,
        **({"seconds/train": seconds, "seconds/evaluate": 5.0} if seconds is not None else {}),
    }
    log_scores(store, runs.trials[0], scores, None)
    end_run(store, runs.trials[0], "FINISHED")
    end_run(store, runs.trials[1], "FAILED", "diverged")
    return runs.study


@pytest.fixture
def filled(store: str) -> tuple[str, str]:
    wanted = run_study(store, "a")
    run_study(store, "b", corpus="grid://it's here")
    run_study(store, "c", steps=12)
    return store, wanted


def test_finished_trials_of_the_same_kind_come_back(filled: tuple[str, str]) -> None:
    store, wanted = filled
    [trial] = earlier_trials(store, corpus=CORPUS, preset="tiny", settings={"training.steps": "750"})
    assert (trial.study, trial.arm, trial.seed, trial.seconds) == (wanted, "baseline", 1, 65.0)
    assert trial.rates == {"clean": 0.0, "babble_0db": 0.25}
    [characters] = earlier_trials(store, corpus=CORPUS, preset="tiny", settings={"training.steps": "750"}, metric="cer")
    assert characters.rates == {"clean": 0.125}


def test_all_names_count_and_other_kinds_do_not(filled: tuple[str, str]) -> None:
    assert len(earlier_trials(filled[0], corpus=CORPUS, preset="tiny", settings={})) == 2
    assert len(earlier_trials(filled[0], corpus="grid://it's here", preset="tiny", settings={})) == 1
    assert earlier_trials(filled[0], corpus=CORPUS, preset="base", settings={}) == []


def test_a_shared_trial_is_one_observation_with_its_cost(store: str) -> None:
    for name, seconds in (("first", 60.0), ("again", None)):  # the second study reused it, which took no time
        study = run_study(store, name, seconds=seconds)
        for run in trial_runs(store, client(store).get_run(study).info.experiment_id, study):
            client(store).set_tag(run.info.run_id, "ablation.fingerprint", run.data.tags["ablation.seed"])
    [trial] = earlier_trials(store, corpus=CORPUS, preset="tiny", settings={})
    assert (trial.study, trial.seconds) == (study, 65.0)


def test_an_empty_store_has_none(store: str) -> None:
    prepare_store(store)
    assert earlier_trials(store, corpus=CORPUS, preset="tiny", settings={}) == []
