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


def test_the_example_is_valid_and_stands_alone() -> None:
    folder = ROOT / "examples" / "gru_ctc"
    assert read_recipe(folder / "recipe.yaml").name == "gru-ctc"
    imported = re.findall(r"^(?:import|from) (\w+)", (folder / "gru_ctc.py").read_text(), re.MULTILINE)
    assert set(imported) == {"argparse", "json", "random", "pathlib", "torch", "scipy"}
