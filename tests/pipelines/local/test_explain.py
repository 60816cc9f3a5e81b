"""`ablate run --explain` on stores with and without earlier trials."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracking.fingerprint import OLD_CODE
from tracking.reuse import INPUTS, TRAINED
from tracking.store import client
from tracking.studies import open_study

Explain = Callable[[], list[str]]


@pytest.fixture
def explain(
    ablate: Callable[..., Any],
    plan_file: Callable[..., Path],
    store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Explain:
    """The printed lines for a plan of two arms with one seed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)

    def call() -> list[str]:
        path = plan_file(corpus="synthetic://talking-mouth?train=20&test=1&valid=1", seeds=[1])
        answer = ablate("run", path, "--explain")
        assert (answer.code, answer.err) == (0, "")
        return list(answer.out.splitlines())

    return call


def test_an_empty_store_has_nothing_to_reuse(explain: Explain) -> None:
    assert explain() == [
        "baseline seed 1: train: this store has no trained trial yet",
        "no-scale seed 1: train: this store has no trained trial yet",
        "2 of 2 trials would be trained",
    ]


def test_a_store_of_the_previous_version_says_why(explain: Explain, store: str) -> None:
    trial = {"arm": "baseline", "seed": 1, "part": None, "params": {}}
    [run_id] = open_study(store, "old", question="", params={}, conditions=["clean"], trials=[trial]).trials
    for key, value in {INPUTS: json.dumps({"seed": 1, "code": {"model/a.py": "1"}}), TRAINED: "m-1"}.items():
        client(store).set_tag(run_id, key, value)
    *trials, number = explain()
    assert len(trials) == 2
    assert all(OLD_CODE in line and line.endswith("(since baseline seed 1 of old)") for line in trials)
    assert number == "2 of 2 trials would be trained"
