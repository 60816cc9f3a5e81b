"""A prepared corpus that cannot serve a plan is refused before anything is trained."""

from pathlib import Path
from typing import Any

import pytest
import recipe_files
from typer.testing import CliRunner

from ablation.plan.plan import plan_from_mapping
from cli.main import app
from common.errors import UserError
from pipelines.local.explain import explain
from recipes.command.recipe import read_recipe
from recipes.plans import check_prepared, read_plan
from recipes.registry import find

FEW = "babble is mixed from 20 different training utterances, and grid://x has 19: prepare more, or give recordings"


def summary(**changes: Any) -> dict[str, Any]:
    return {"uri": "grid://x", "train": 19, "test": 4, "valid": 2, **changes}


def plan_with(**changes: Any) -> Any:
    return plan_from_mapping({"study": "x", "corpus": "grid://x", "conditions": {"babble": [0]}, **changes})


@pytest.mark.parametrize("conditions", [{"babble": [0]}, {"white": [0]}, {}])
def test_training_in_babble_needs_twenty_utterances(conditions: dict[str, Any]) -> None:
    plan, smile = plan_with(conditions=conditions), find("smile")
    with pytest.raises(UserError, match=FEW):
        check_prepared(plan, smile, summary())
    check_prepared(plan, smile, summary(train=20))


def test_a_command_that_is_scored_in_babble_needs_them_too(tmp_path: Path) -> None:
    recipe = read_recipe(recipe_files.write(tmp_path))
    with pytest.raises(UserError, match=FEW):
        check_prepared(plan_with(), recipe, summary())
    check_prepared(plan_with(), recipe, summary(train=20))
    check_prepared(plan_with(conditions={"white": [0]}), recipe, summary())
    check_prepared(plan_with(noise={"babble": "/recordings"}), recipe, summary())
    own = read_recipe(recipe_files.write(tmp_path, recipe_files.content() | {"corpus_format": "prepared"}))
    check_prepared(plan_with(), own, summary())


def test_pictures_are_still_asked_for() -> None:
    with pytest.raises(UserError, match="needs pictures of the speaker, and grid://x has only sound"):
        check_prepared(plan_with(), find("smile"), summary(train=20, video=False))


def test_nothing_is_trained_on_too_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe_files.write(tmp_path)
    plan = "study: x\nrecipe: recipe.yaml\ncorpus: synthetic://talking-mouth?train=4&test=1&valid=1\nconditions: {babble: [0]}\n"
    (tmp_path / "plan.yaml").write_text(plan)
    result = CliRunner().invoke(app, ["recipe", "run", "recipe.yaml", "--plan", "plan.yaml", "--out", "out"])
    assert isinstance(result.exception, UserError)
    assert "valid=1 has 4: prepare more" in str(result.exception)
    assert not (tmp_path / "out").exists()
    root = next(tmp_path.glob("**/corpora-cache"), tmp_path / "corpora")
    with pytest.raises(UserError, match="valid=1 has 4: prepare more"):
        explain(
            read_plan(tmp_path / "plan.yaml"), tracking_uri=f"sqlite:///{tmp_path}/m.db", corpora_root=root, force=""
        )
