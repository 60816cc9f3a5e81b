"""A recipe file is read with all its values, and a wrong one is one sentence that says what to do."""

from pathlib import Path
from typing import Any

import pytest
import recipe_files

from common.errors import UserError
from recipes.command.placeholders import words
from recipes.command.recipe import read_recipe


def with_change(path: str, value: Any) -> dict[str, Any]:
    """The valid recipe with another value at a path of keys; None removes the key."""
    data = recipe_files.content()
    *steps, last = path.split("/")
    inner = data
    for step in steps:
        inner = inner.setdefault(step, {})
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return data


def refusal(folder: Path, given: dict[str, Any] | str) -> str:
    with pytest.raises(UserError) as caught:
        read_recipe(recipe_files.write(folder, given))
    text = str(caught.value).replace(str(folder), "DIR")
    assert "\n" not in text
    return text


def test_a_valid_file_is_read(tmp_path: Path) -> None:
    recipe = read_recipe(recipe_files.write(tmp_path))
    assert (recipe.name, list(recipe.presets), recipe.needs_video) == ("demo", ["default"], False)
    assert list(recipe.catalogue.parts["pooling"].kinds) == ["mean", "max"]
    assert recipe.catalogue.settings == ["training.steps"]


KINDS = "parts/pooling/kinds"
BROKEN = {
    "unknown key": ("trian", ["x"], ["unknown key 'trian'", "did you mean 'train'"]),
    "unknown key inside": (f"{KINDS}/max/argument", ["x"], ["line", "parts.pooling.kinds.max", "did you mean 'arguments'"]),
    "no train": ("train", None, ["train: this key is required; write e.g. `train: [", '"{seed}"']),
    "no sources": ("sources", None, ["sources: this key is required; write e.g. `sources: [train.py, decode.py]`"]),
    "a command as text": ("train", "python train.py {seed}", ["a list of words", '[python, train.py, "{seed}"]']),
    "an empty command": ("train", [], ["train: a command starts with a program"]),
    "a word that is true": ("train", ["x", True], ["line", "put it in quotes"]),
    "an unquoted placeholder": ("train", ["x", {"corpus": None}], ["in quotes: \"{corpus}\""]),
    "an unknown placeholder": ("train", ["x", "{sed}"], ["unknown placeholder {sed}", "did you mean 'seed'", "{{sed}}"]),
    "a placeholder of the other command": ("transcribe", ["x", "{seed}"], ["unknown placeholder {seed}"]),
    "overrides inside a word": ("train", ["x", "{seed}", "{out}", "--a={overrides}"], ["stands alone"]),
    "no seed": ("train", ["x", "{out}", "{overrides}"], ['needs "{seed}"', "all seeds train the same model"]),
    "no out": ("train", ["x", "{seed}", "{overrides}"], ['needs "{out}"']),
    "no checkpoint": ("transcribe", ["x", "{hypotheses}"], ['needs "{checkpoint}"']),
    "no hypotheses": ("transcribe", ["x", "{checkpoint}"], ['needs "{hypotheses}"']),
    "no place for arguments": ("train", ["x", "{seed}", "{out}"], ['"{overrides}"', "add it there"]),
    "a kind that gives nothing": (f"{KINDS}/max", {}, ["says what it changes", "`arguments: []`"]),
    "two kinds that change the same": (f"{KINDS}/max", {"arguments": ["--pooling", "mean"]}, ["the same as 'mean'"]),
    "a default that is no kind": ("parts/pooling/default", "maxx", ["names no kind: 'maxx'", "did you mean 'max'"]),
    "set without config": (f"{KINDS}/max", {"set": {"a": 1}}, ["there is none; add `config: {base: FILE}`"]),
    "a value that reaches nothing": ("settings/training.steps/arguments", ["--steps"], ['write "{value}"']),
    "an unknown type": ("settings/training.steps/type", "integer", ["settings.training.steps.type", "'integer'"]),
    "a default of another type": ("settings/training.steps/default", "5", ["default is a whole number, got '5'"]),
    "a default out of range": ("settings/training.steps/default", 0, ["a whole number of at least 1, got 0"]),
    "a setting without a group": (
        "settings/steps", {"type": "int", "default": 1, "arguments": ["{value}"]}, ["training.steps; rename it"],
    ),
    "choices of a number": ("settings/training.steps/choices", ["a"], ["`choices` is the list for the type choice"]),
    "a missing source": ("sources", ["gone.py"], ["no file or folder 'gone.py'"]),
    "a script that is no source": ("sources", ["train.py"], ["'decode.py' is not there; add it"]),
    "an unknown format": ("hypotheses/format", "trm", ["unknown format 'trm': did you mean 'trn'"]),
    "a list of keys without names": ("hypotheses/keys", "id", ["hypotheses", "'id' has no `=`"]),
    "a wrong regular expression": ("hypotheses/id", "(", ["hypotheses", "is a regular expression"]),
    "a config that does not exist": ("config", {"base": "c.yaml"}, ["config"]),
    "a variable that is ours": ("environment", {"CUDA_VISIBLE_DEVICES": "0"}, ["'CUDA_VISIBLE_DEVICES' the service sets"]),
    "a preset with an unknown part": ("presets", {"tiny": {"poling": "max"}}, ["presets", "did you mean 'pooling'"]),
    "a timeout below zero": ("timeouts/train", -1, ["timeouts.train", "greater than 0"]),
    "a name with blanks": ("recipe", "My recipe", ["recipe", "'My recipe'"]),
}  # fmt: skip


@pytest.mark.parametrize(("path", "value", "said"), BROKEN.values(), ids=BROKEN)
def test_a_wrong_file_is_refused_in_a_sentence(tmp_path: Path, path: str, value: Any, said: list[str]) -> None:
    text = refusal(tmp_path, with_change(path, value))
    assert text.startswith("DIR/recipe.yaml")
    assert [part for part in said if part not in text] == [], text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a recipe is a mapping"),
        ("- a", "a recipe is a mapping"),
        ("recipe: [", "not valid YAML"),
        ("study: x\nrecipe: y", "is a plan, not a recipe; give the recipe that it names"),
        ("recipe: a\nrecipe: b", "occurs twice, on lines 1 and 2"),
    ],
)
def test_a_text_that_is_no_recipe_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_the_line_of_a_wrong_value_is_named(tmp_path: Path) -> None:
    text = recipe_files.write(tmp_path).read_text()
    line = text[: text.index("minimum: 1")].count("\n") + 1
    said = refusal(tmp_path, text.replace("minimum: 1", "minimum: one"))
    assert f"recipe.yaml, line {line}: settings.training.steps.minimum" in said


def test_values_to_fill_in_are_counted_and_refused_before_training(tmp_path: Path) -> None:
    data = with_change(f"{KINDS}/max/arguments", ["FILL_IN", "FILL_IN"])
    recipe = read_recipe(recipe_files.write(tmp_path, data))
    assert len(recipe.document.to_fill_in()) == 2
    with pytest.raises(UserError, match=r"has 2 values FILL_IN, on lines \d+, \d+; replace them"):
        recipe.check({})


def test_literal_braces_are_left_alone() -> None:
    command = ["{{seed}}", "{'a': {1: 2}}", "--x={seed}.{out}", "{overrides}"]
    assert words(command, {"seed": 3, "out": "a b;$(c)"}, ["--y", "z z"]) == [
        "{seed}", "{'a': {1: 2}}", "--x=3.a b;$(c)", "--y", "z z",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "kinds",
    [
        {"max_two": {"arguments": ["2"]}, "max-two": {"arguments": ["3"]}},
        {"none": {"arguments": ["2"]}, "never": {"arguments": ["3"], "arm": "no-pooling"}},
    ],
)
def test_two_kinds_with_one_name_for_their_arms_are_refused(tmp_path: Path, kinds: dict[str, Any]) -> None:
    data = with_change(KINDS, {"mean": {"arguments": []}, **kinds})
    text = refusal(tmp_path, data)
    assert f"parts.pooling.kinds.{list(kinds)[1]}: the arm of this kind has the name" in text
    assert "give one of them another `arm`" in text
