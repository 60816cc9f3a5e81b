"""`ablate submit` of a plan with looks: the look that comes next, by what MLflow has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_looks import Runs

from ablation.plan.looks import first_look
from ablation.plan.plan import plan_from_mapping
from pipelines.server.looks import look_after

Submit = Callable[..., Any]
LOOKS = ("--set", "looks=[3, 5]", "--set", "seeds=[1, 2, 3, 4, 5]")


def test_without_results_the_first_look_is_submitted(
    submit: Submit, kubeflow: Any, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    Path(store.removeprefix("sqlite:///")).parent.mkdir(parents=True)
    from tracking.store import prepare_store

    prepare_store(store)
    answer = submit(*LOOKS)
    assert (answer.code, answer.err) == (0, "")
    [run] = kubeflow.things["runs"]
    given = run["runtime_config"]["parameters"]["plan"]
    assert (given["seeds"], given["looks"]) == ([1, 2, 3], [3, 5])
    assert "look at 3 of 5 seeds" in answer.out


def test_the_plan_of_one_look_is_submitted_as_it_is(submit: Submit, kubeflow: Any) -> None:
    assert submit("--set", "looks=[3, 5]", "--set", "seeds=[1, 2, 3]").code == 0
    [run] = kubeflow.things["runs"]
    assert run["runtime_config"]["parameters"]["plan"]["seeds"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("more", "said"), [((), "MLFLOW_TRACKING_URI"), (("--cron", "0 0 2 * * *"), "needs the results of the look before")]
)
def test_looks_that_cannot_be_carried_out_are_refused(
    submit: Submit, kubeflow: Any, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], said: str
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    answer = submit(*LOOKS, *more)
    assert (answer.code, len(answer.err.splitlines())) == (2, 1)
    assert said in answer.err
    assert "runs" not in kubeflow.things or not kubeflow.things["runs"]


def test_the_next_look_of_a_ladder_follows_from_its_contrasts(tmp_path: Path) -> None:
    shape = {"looks": [3, 5, 8], "conditions": {}, "ladder": ["fusion", "masking", "siamese"]}
    plan = plan_from_mapping({"study": "x", **shape})
    points = {"ladder-0-bare": 9.2, "ladder-1-fusion": 9.0, "ladder-2-masking": 9.0}
    Runs(tmp_path, points, [])(first_look(plan))
    look, is_open, said = look_after(plan, ["baseline", *points], tmp_path)
    assert (is_open, len(look.seeds), look.stopped) == (True, 5, {"baseline": 3})
    assert "look at 3 seeds: siamese of the ladder: better" in said
