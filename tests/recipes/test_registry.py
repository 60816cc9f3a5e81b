"""Recipes by name, and the rule that only installed or trusted ones run."""

import os
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ablation.plan.plan import Plan, plan_from_mapping, recipe_of
from common.errors import UserError
from recipes import plans, registry
from recipes.smile import SMILE

OBJECT = "toy_recipe:RECIPE"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (registry.FOLDER, registry.TRUSTED):
        monkeypatch.setenv(name, "")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("toy", OBJECT, registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == registry.GROUP else [])


def test_smile_is_built_in() -> None:
    assert registry.find("smile") is SMILE
    assert registry.known()[0] == "smile"


@pytest.mark.usefixtures("installed")
def test_an_entry_point_needs_no_trust() -> None:
    assert registry.find("toy").name == "toy"
    assert registry.known() == ["smile", "toy"]


@pytest.mark.parametrize(
    "name", [OBJECT, "os:system", "recipes.smile:SMILE", "/etc/recipe.yaml", "recipe.yml", "../../x.yaml"]
)
def test_objects_and_files_are_refused_without_trust(name: str) -> None:
    with pytest.raises(UserError, match="takes an installed recipe") as refused:
        registry.find(name)
    assert "\n" not in str(refused.value)
    assert repr(name) in str(refused.value)


@pytest.mark.parametrize(
    "name", ["smlie", "https://example.org/recipe.yaml", "s3://bucket/recipe.yaml", "a b", "rm -rf /"]
)
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(UserError, match="unknown recipe"):
        registry.find(name)
    if name == "smlie":
        with pytest.raises(UserError, match="did you mean 'smile'"):
            registry.find(name)


@pytest.mark.parametrize("separator", ["\n", ";", " ; "])
def test_an_image_can_trust_objects(monkeypatch: pytest.MonkeyPatch, separator: str) -> None:
    monkeypatch.setenv(registry.TRUSTED, separator.join(["/some/file.yaml", OBJECT]))
    assert registry.find(OBJECT).name == "toy"


def test_trust_reaches_the_processes_that_this_one_starts() -> None:
    assert registry.trusted(OBJECT, Path()) == OBJECT
    registry.trusted(OBJECT, Path())
    assert os.environ[registry.TRUSTED].split("\n") == [OBJECT]
    assert registry.trusted("smile", Path()) == "smile"
    assert registry.find(OBJECT).name == "toy"


def test_a_module_of_the_working_folder_is_found_after_installed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_recipe.py").write_text("from toy_recipe import Toy\n\n\nclass Own(Toy):\n    name = 'own'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert registry.find(registry.trusted("own_recipe:Own", Path())).name == "own"
    assert sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_module:RECIPE", "cannot be imported.*No module named 'no_such_module'"),
        ("toy_recipe:NOTHING", "cannot be imported.*NOTHING"),
        ("toy_recipe:INCOMPLETE", "lacks name, catalogue"),
        ("json:JSONDecoder.decode", "lacks name"),
    ],
)
def test_an_object_that_is_no_recipe_is_one_sentence(name: str, why: str) -> None:
    with pytest.raises(UserError, match=why) as refused:
        registry.find(registry.trusted(name, Path()))
    assert "\n" not in str(refused.value)


def test_a_recipe_file_is_sought_at_the_plan_then_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "plans").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("recipe.yaml").touch()
    assert registry.located("recipe.yaml", tmp_path / "plans") == str(tmp_path / "here" / "recipe.yaml")
    (tmp_path / "plans" / "recipe.yaml").touch()
    assert registry.located("recipe.yaml", tmp_path / "plans") == str(tmp_path / "plans" / "recipe.yaml")
    with pytest.raises(UserError, match=r"other\.yaml is not in"):
        registry.located("other.yaml", tmp_path / "plans")


def test_a_file_in_the_folder_of_the_image_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gru-ctc.yaml").touch()
    (tmp_path / ".hidden.yaml").touch()
    monkeypatch.setenv(registry.FOLDER, str(tmp_path))
    assert registry.known() == ["smile", "gru-ctc"]
    read: list[Path] = []
    monkeypatch.setattr(registry, "_read", read.append)
    registry.find("gru-ctc")
    assert read == [tmp_path / "gru-ctc.yaml"]
    with pytest.raises(UserError, match="takes an installed recipe"):
        registry.find("gru-ctc.yaml")


@pytest.mark.parametrize(
    ("name", "text", "recipe"),
    [
        ("a.yaml", "study: a\n", "smile"),
        ("a.yaml", "study: a\nrecipe: toy_recipe:RECIPE\n", OBJECT),
        ("a.json", '{"study": "a", "recipe": "toy"}', "toy"),
        ("a.md", "---\nrecipe: toy\n---\n\n### A\n- **Ablated Part**: x\n", "toy"),
        ("a.md", "### A\n- **Ablated Part**: x\n- **Action**: REMOVE\n", "smile"),
        ("a.yaml", "study: [", "smile"),
    ],
)
def test_the_text_of_a_plan_names_its_recipe(name: str, text: str, recipe: str) -> None:
    assert recipe_of(text, name=name) == recipe


def test_a_plan_file_is_trusted_and_a_text_from_elsewhere_is_not(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(f"study: a\nrecipe: {OBJECT}\n")
    with pytest.raises(UserError, match="takes an installed recipe"):
        plans.parse(file.read_text())
    plan = plans.read_plan(file)
    assert (plan.recipe, plan.preset) == (OBJECT, "default")
    assert plan_from_mapping(plan.as_mapping()) == plan
    assert plans.parse(file.read_text()) == plan  # trusted from now on, in this process


def test_the_command_line_can_choose_another_recipe(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("study: a\n")
    plan = plans.read_plan(file, OBJECT)
    assert (plan.recipe, plan.preset) == (OBJECT, "default")


def test_plans_of_earlier_versions_stay_as_they_are() -> None:
    plan = plan_from_mapping({"study": "a"})
    assert (plan.recipe, plan.preset) == ("smile", "tiny")
    assert plan == Plan("a")
    assert "recipe" not in plan.as_mapping()
    assert plan.as_mapping()["preset"] == "tiny"


@pytest.mark.parametrize("value", ["", 3, None, ["smile"]])
def test_a_recipe_is_text(value: object) -> None:
    with pytest.raises(UserError, match="`recipe` is"):
        plan_from_mapping({"study": "a", "recipe": value})
