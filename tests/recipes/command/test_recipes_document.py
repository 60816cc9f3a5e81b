"""docs/recipes.md names every key and placeholder, and its files are valid and do what it says."""

import re
from pathlib import Path

import pytest
import recipe_files
from typer.testing import CliRunner

from cli.main import app
from recipes.command import placeholders
from recipes.command.recipe import read_recipe
from recipes.command.spec import Kind, Setting, Spec

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
DECODE = recipe_files.DECODE.replace('"checkpoint"', '"model"').replace(
    "{given.data}/test/{given.condition}", "{given.data}"
)
TRAIN = recipe_files.TRAIN.replace(
    "given = parser", 'parser.add_argument("--no-pooling", action="store_true")\ngiven = parser'
)


@pytest.mark.parametrize("model", [Spec, Kind, Setting])
def test_every_key_is_explained(model: type[Spec]) -> None:
    assert [name for name in model.model_fields if f"`{name}`" not in TEXT and f"`{name}:" not in TEXT] == []


def test_every_placeholder_is_explained() -> None:
    known = {*placeholders.TRAIN, *placeholders.TRANSCRIBE}
    assert [name for name in known if f"`{{{name}}}`" not in TEXT] == []


def test_the_files_are_valid_and_the_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe, plan = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "recipe.yaml").write_text(recipe)
    (tmp_path / "plan.yaml").write_text(plan.replace("train=300&test=60&valid=8", "train=20&test=2&valid=2"))
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "decode.py").write_text(DECODE)
    ran = []
    for line in re.findall(r"^(ablate recipe (?:check|run) .*)$", TEXT, re.MULTILINE):
        ran.append(CliRunner().invoke(app, line.split()[1:], catch_exceptions=False))
        assert ran[-1].exit_code == 0, ran[-1].output
    assert len(ran) == 3
    assert "arm no-pooling (pooling: {'kind': 'none'})" in ran[1].output
    assert "wer/babble_5db 0.0%" in ran[2].output


@pytest.mark.parametrize("name", ["gru_ctc", "linear_recurrent"])
def test_the_example_is_valid_and_stands_alone(name: str) -> None:
    folder = ROOT / "examples" / name
    assert read_recipe(folder / "recipe.yaml").name == name.replace("_", "-")
    imported = re.findall(r"^(?:import|from) (\w+)", (folder / f"{name}.py").read_text(), re.MULTILINE)
    assert set(imported) == {"argparse", "json", "random", "pathlib", "torch", "scipy"}


def test_the_way_from_a_published_plan_is_what_the_commands_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "examples" / "linear_recurrent" / "plan.md").read_text(encoding="utf-8")
    top, published = page.split("---\n", 2)[1:]
    assert f"```\n---\n{top}---\n```" in TEXT
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.md").write_text(published, encoding="utf-8")
    made = CliRunner().invoke(app, ["recipe", "init", "plan.md", "--out", "recipe.yaml"], catch_exceptions=False)
    assert f"$ ablate recipe init plan.md --out recipe.yaml\n{made.stdout}```" in TEXT
    skeleton = (tmp_path / "recipe.yaml").read_text(encoding="utf-8")
    filled = (ROOT / "examples" / "linear_recurrent" / "recipe.yaml").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(.*?)(?:, \.\.\.\])?` \| `(.*?)(?:, \.\.\.\])?` \|$", section("From a published plan"), re.MULTILINE
    )
    assert len(rows) == 5
    for left, right in rows:
        assert left.rstrip("}") in skeleton
        assert right.rstrip("}") in filled
    refused = CliRunner().invoke(app, ["recipe", "check", "recipe.yaml"])
    assert str(refused.exception) in TEXT


def section(title: str) -> str:
    """Return the section of the page whose title starts like this."""
    return TEXT[TEXT.index(f"## {title}") :].partition("\n## ")[0]
