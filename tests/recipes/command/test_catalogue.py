"""Plans can name the parts and settings of a recipe file, and nothing else; an arm becomes arguments, keys and variables."""

from pathlib import Path
from typing import Any

import pytest
import recipe_files
import yaml

from ablation.plan.arms import expand
from ablation.plan.plan import parse_plan
from common.errors import UserError
from recipes.command.effects import effects
from recipes.command.recipe import CommandRecipe, read_recipe

PARTS = {
    "encoder.pooling": {
        "default": "mean",
        "kinds": {
            "mean": {"arguments": []},
            "power": {
                "arguments": ["--pooling", "power:{exponent}"],
                "values": {"exponent": {"type": "float", "minimum": 1, "maximum": 9, "default": 2}},
            },
            "none": {"set": {"model.pooling": None}, "environment": {"POOLING": "off"}},
        },
    },
}
SETTINGS = {
    "training.steps": {"type": "int", "minimum": 1, "default": 5, "set": {"optim.steps": "{value}"}},
    "training.rate": {"type": "float", "default": 0.1, "arguments": ["--rate={value}"]},
    "training.amp": {"type": "bool", "default": True, "arguments": ["--amp"], "otherwise": ["--no-amp"]},
    "decode.beam": {"type": "int", "default": 8, "arguments": ["--beam", "{value}"], "used_by": ["transcribe"]},
    "model.norm": {
        "type": "choice",
        "choices": ["layer", "batch"],
        "default": "layer",
        "environment": {"NORM": "{value}"},
    },
}


@pytest.fixture
def recipe(tmp_path: Path) -> CommandRecipe:
    data = recipe_files.content() | {"parts": PARTS, "settings": SETTINGS, "config": {"base": "conf.yaml"}}
    data["train"] += ["--config", "{config}"]
    data["transcribe"] += ["{overrides}"]
    data["presets"] = {"tiny": {"training.steps": 2}, "large": {"encoder.pooling": "power"}}
    (tmp_path / "conf.yaml").write_text("model: {pooling: mean}\noptim: {steps: 100}\n")
    return read_recipe(recipe_files.write(tmp_path, data))


def test_defaults_presets_and_layers_apply_in_order(recipe: CommandRecipe) -> None:
    found = recipe.catalogue.resolve("tiny", {"training.rate": 1}, {"training.rate": 0.5, "encoder.pooling": "none"})
    assert found == {
        "parts": {"encoder.pooling": {"kind": "none"}},
        "training": {"steps": 2, "rate": 0.5, "amp": True},
        "decode": {"beam": 8},
        "model": {"norm": "layer"},
    }
    assert list(recipe.presets) == ["tiny", "large"]
    assert recipe.catalogue.resolve("large")["parts"]["encoder.pooling"] == {"kind": "power", "exponent": 2.0}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"pooling": "none"}, "unknown part or setting 'pooling': did you mean 'encoder.pooling'?"),
        ({"encoder.pooling": "non"}, "unknown kind 'non' of part 'encoder.pooling': did you mean 'none'?"),
        ({"encoder.pooling": 3}, "a part takes a mapping with `kind`, got 3; write e.g. {kind: mean}"),
        ({"encoder.pooling": {"kind": "power", "exponant": 3}}, "has no value 'exponant': did you mean 'exponent'?"),
        ({"encoder.pooling": {"kind": "mean", "x": 3}}, "kind 'mean' has no value 'x'; there are none"),
        ({"encoder.pooling": {"kind": "power", "exponent": 10}}, "encoder.pooling.exponent is a finite number of at least 1 and"),
        ({"training.steps": 0}, "training.steps is a whole number of at least 1, got 0"),
        ({"training.steps": 1.5}, "training.steps is a whole number, got 1.5"),
        ({"training.steps": True}, "training.steps is a whole number, got True"),
        ({"training.rate": "fast"}, "training.rate is a number, got 'fast'"),
        ({"training.rate": float("nan")}, "training.rate is a finite number, got nan"),
        ({"training.amp": 1}, "training.amp is true or false, got 1"),
        ({"model.norm": "group"}, "model.norm is one of layer, batch, got 'group'"),
        ({"model.norm": ["layer"]}, "model.norm is one of layer, batch, got ['layer']"),
        ({"init_from.checkpoint": "x.pt"}, "does not take initial weights (`init_from`)"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_refused(recipe: CommandRecipe, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        recipe.catalogue.resolve("tiny", given)
    assert said in str(caught.value)


def test_an_arm_becomes_arguments_keys_and_variables(recipe: CommandRecipe) -> None:
    settings = recipe.catalogue.resolve(
        "tiny", {"encoder.pooling": {"kind": "power", "exponent": 3}, "training.amp": False}
    )
    train, decode = (effects(recipe.spec, settings, stage) for stage in ("train", "transcribe"))
    assert train.arguments == ["--pooling", "power:3.0", "--rate=0.1", "--no-amp"]
    assert decode.arguments[-2:] == ["--beam", "8"]
    assert (train.set, train.environment) == ({"optim.steps": 2}, {"NORM": "layer"})
    none = effects(recipe.spec, recipe.catalogue.resolve("tiny", {"encoder.pooling": "none"}), "train")
    assert (none.set, none.environment["POOLING"]) == ({"model.pooling": None, "optim.steps": 2}, "off")


PLAN = """
study: x
preset: tiny
ablations:
  - {part: encoder.pooling, action: remove}
  - {part: encoder.pooling, replacements: {cubic: {kind: power, exponent: 3}}}
  - {part: training.steps, replacements: {longer: 7}}
"""


def test_a_plan_is_expanded_to_named_arms(recipe: CommandRecipe) -> None:
    arms = expand(parse_plan(PLAN, recipe.catalogue), recipe.catalogue)
    assert [arm.arm for arm in arms] == ["baseline", "no-pooling", "cubic", "longer"]
    assert [arm.changes[0].new for arm in arms[1:]] == ["no pooling", "power pooling", "training.steps = 7"]
    assert arms[1].changes[0].lacks == "the pooling"


def test_only_arms_with_equal_commands_are_called_the_same(recipe: CommandRecipe) -> None:
    arms = {arm.arm: arm.settings for arm in expand(parse_plan(PLAN, recipe.catalogue), recipe.catalogue)}
    assert list(recipe.check(arms).same) == []
    # One says with its name what the other says with a value: the arguments are those of `mean` with nothing else changed.
    assert list(recipe.check({**arms, "again": arms["cubic"]}).same) == [("cubic", "again")]


@pytest.mark.parametrize("change", ["train.py", "conf.yaml"])
def test_the_identity_follows_the_content_of_sources(recipe: CommandRecipe, change: str) -> None:
    settings = recipe.catalogue.resolve("tiny")
    before = recipe.identity(settings)
    assert read_recipe(recipe.document.path).identity(settings) == before
    path = recipe.folder / change
    path.write_text(path.read_text() + "# other\n")
    assert read_recipe(recipe.document.path).identity(settings) != before


def test_the_identity_follows_what_reaches_the_commands(recipe: CommandRecipe) -> None:
    settings = recipe.catalogue.resolve("tiny")
    before, data = recipe.identity(settings), yaml.safe_load(recipe.document.text)
    data["parts"]["encoder.pooling"]["kinds"]["more"] = {"arguments": ["--pooling", "more"], "phrases": ["more of it"]}
    data["curves"] = "metrics.jsonl"
    recipe.document.path.write_text(yaml.safe_dump(data, sort_keys=False))
    assert read_recipe(recipe.document.path).identity(settings) == before
    data["parts"]["encoder.pooling"]["kinds"]["mean"] = {"arguments": ["--pooling", "average"]}
    recipe.document.path.write_text(yaml.safe_dump(data, sort_keys=False))
    assert read_recipe(recipe.document.path).identity(settings) != before


def test_what_only_transcribes_is_no_part_of_a_checkpoint(recipe: CommandRecipe) -> None:
    settings = recipe.catalogue.resolve("tiny")
    data = yaml.safe_load(recipe.document.text) | {"sources": ["train.py"], "transcribe_sources": ["decode.py"]}
    recipe.document.path.write_text(yaml.safe_dump(data, sort_keys=False))
    before = read_recipe(recipe.document.path)
    trained, scored = dict(before.identity(settings)), dict(before.transcription_identity(settings))
    (recipe.folder / "decode.py").write_text("another")
    after = read_recipe(recipe.document.path)
    assert after.identity(settings) == trained
    assert after.transcription_identity(settings) != scored


def test_versions_of_packages_are_those_of_the_commands_python(recipe: CommandRecipe) -> None:
    from importlib.metadata import version

    data = yaml.safe_load(recipe.document.text) | {"packages": ["numpy"]}
    recipe.document.path.write_text(yaml.safe_dump(data, sort_keys=False))
    settings = recipe.catalogue.resolve("tiny")
    assert read_recipe(recipe.document.path).identity(settings)["packages"] == {"numpy": version("numpy")}
    recipe.document.path.write_text(yaml.safe_dump(data | {"packages": ["no-such-thing"]}))
    with pytest.raises(UserError, match="no-such-thing"):
        read_recipe(recipe.document.path).identity(settings)


COMPOSITES = {
    "regularisation": {
        "kinds": {
            "full": {"parts": {"encoder.pooling": "mean", "dropout": "on"}},
            "strong": {"parts": {"encoder.pooling": {"kind": "power", "exponent": 3}, "dropout": "on"}},
            "none": {"parts": {"encoder.pooling": "none", "dropout": "off"}},
        }
    }
}
DROPOUT = {"default": "on", "kinds": {"on": {"arguments": []}, "off": {"arguments": ["--no-dropout"]}}}


def with_composites(tmp_path: Path, composites: dict[str, Any]) -> CommandRecipe:
    parts = PARTS | {"dropout": DROPOUT}
    data = recipe_files.content() | {"parts": parts, "composites": composites, "config": {"base": "conf.yaml"}}
    data["train"] += ["--config", "{config}"]
    (tmp_path / "conf.yaml").write_text("model: {pooling: mean}")
    return read_recipe(recipe_files.write(tmp_path, data))


def test_a_composite_part_sets_several_parts(tmp_path: Path) -> None:
    catalogue = with_composites(tmp_path, COMPOSITES).catalogue
    removal, strong = "{part: regularisation, action: remove}", "{part: regularisation, replacements: {a: strong}}"
    text = f"study: s\npreset: default\nablations:\n  - {removal}\n  - {strong}"
    removed, stronger = expand(parse_plan(text, catalogue), catalogue)[1:]
    assert (removed.arm, removed.part) == ("no-regularisation", "regularisation")
    assert removed.overrides == {"encoder.pooling": {"kind": "none"}, "dropout": {"kind": "off"}}
    assert removed.changes[0].lacks == "the regularisation"
    assert stronger.overrides == {"encoder.pooling": {"kind": "power", "exponent": 3}}
    assert stronger.settings["parts"] == {
        "encoder.pooling": {"kind": "power", "exponent": 3},
        "dropout": {"kind": "on"},
    }


@pytest.mark.parametrize(
    ("composites", "said"),
    [
        ({"dropout": COMPOSITES["regularisation"]}, "a composite part has a name of its own"),
        ({"a": {"kinds": {"x": {"parts": {"pooling": "mean"}}}}}, "composites: the kind 'x' of 'a' sets 'pooling'"),
        (
            {"a": {"kinds": {"x": {"parts": {"dropout": "maybe"}}}}},
            "composites: the kind 'x' of 'a': unknown kind 'maybe'",
        ),
        ({"a": {"kinds": {"x": {"parts": {}}}}}, "at least one entry; write e.g. `parts: {pooling: mean}`"),
        ({"a": {"kinds": {"x": {"arguments": []}}}}, "composites.a.kinds.x"),
    ],
)
def test_a_wrong_composite_part_is_refused(tmp_path: Path, composites: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        with_composites(tmp_path, composites)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
