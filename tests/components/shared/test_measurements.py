"""Arms are measured once: a rerun takes the measurements of the study before, unless the arms or the code have changed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from ablation.plan.arms import Arm
from ablation.records import Measured
from components.shared import measurements
from components.shared.measurements import key_of, measured_once
from recipes.base import PlanFacts, Recipe
from recipes.plans import arms_of, parse
from tracking import store as stores
from tracking.runs import log_study_report
from tracking.store import client, prepare_store

PLAN = "study: s\nseeds: [1, 2]\nablations:\n- {part: fusion.scale, action: remove}\n"


class Counting:
    """A recipe that counts its measurements."""

    preload_check = ("training.hygiene",)

    def __init__(self) -> None:
        self.calls = 0

    def check(self, arms: Mapping[str, Mapping[str, Any]]) -> PlanFacts:
        self.calls += 1
        return PlanFacts(dict.fromkeys(arms, 7), {}, [tuple(arms)], ["a warning"])


@pytest.fixture
def arms() -> list[Arm]:
    return arms_of(parse(PLAN))


@pytest.fixture
def experiment(store: str) -> tuple[str, str]:
    """A store with an experiment."""
    prepare_store(store)
    return store, stores.experiment(store, "s")


def studied(experiment: tuple[str, str], recipe: Counting, arms: list[Arm], folder: Path) -> tuple[Measured, str]:
    """Measure the arms of a new study, and store its report."""
    uri, number = experiment
    run = client(uri).create_run(number).info.run_id
    found = measured_once(cast(Recipe, recipe), arms, uri, number, run)
    (folder / "study.json").write_text(json.dumps({"hygiene": found.model_dump()}))
    log_study_report(uri, run, [folder / "study.json"], "")
    return found, run


def test_a_rerun_measures_nothing(experiment: tuple[str, str], arms: list[Arm], tmp_path: Path) -> None:
    recipe = Counting()
    first, _ = studied(experiment, recipe, arms, tmp_path)
    assert (first.arms["no-scale"].parameters, first.same, first.warnings) == (
        7,
        [["baseline", "no-scale"]],
        ["a warning"],
    )
    second, _ = studied(experiment, recipe, arms, tmp_path)
    third, _ = studied(experiment, recipe, arms, tmp_path)
    assert (second, third, recipe.calls) == (first, first, 1)


def test_other_arms_and_damaged_reports_are_measured_again(
    experiment: tuple[str, str], arms: list[Arm], tmp_path: Path
) -> None:
    recipe = Counting()
    _, run = studied(experiment, recipe, arms, tmp_path)
    studied(experiment, recipe, arms[:1], tmp_path)
    assert recipe.calls == 2
    report = Path(client(experiment[0]).get_run(run).info.artifact_uri.removeprefix("file://")) / "study.json"
    report.write_text(report.read_text().replace("7", "8"))
    assert studied(experiment, recipe, arms, tmp_path)[0].arms["baseline"].parameters == 7
    assert recipe.calls == 3


def test_the_code_and_each_setting_decide(arms: list[Arm], monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = cast(Recipe, Counting())
    wider = [replace(arms[0], settings={**arms[0].settings, "seedless": 1}), *arms[1:]]
    keys = {key_of(recipe, each) for each in (arms, wider, arms[::-1], arms[:1])}
    monkeypatch.setattr(measurements, "computed_by", lambda _: "other code")
    assert len(keys | {key_of(recipe, arms)}) == 5


def test_recipes_that_name_no_modules_are_always_measured(arms: list[Arm]) -> None:
    recipe = Counting()
    recipe.preload_check = ()  # type: ignore[assignment]
    for _ in range(2):
        measured_once(cast(Recipe, recipe), arms, "sqlite:////nowhere/none.db", "1", "run")
    assert recipe.calls == 2
