"""`ablate recipe` shows the exact commands of every arm, and tries one arm."""

import sys
from pathlib import Path

import pytest
import recipe_files
import yaml
from typer.testing import CliRunner

from cli.main import app
from common.errors import UserError
from recipes.command.process import CommandFailed

PLAN = """
study: x
corpus: synthetic://talking-mouth?train=4&test=3&valid=2
conditions: {white: [0]}
ablations:
  - {part: pooling, replacements: {peak: {kind: max}}}
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text(PLAN)
    recipe_files.write(tmp_path)
    return tmp_path


def ablate(*words: str) -> str:
    """The output of `ablate recipe WORD...`. Raises the command's error."""
    result = CliRunner().invoke(app, ["recipe", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.usefixtures("files")
def test_check_prints_the_exact_words_of_every_arm() -> None:
    output = ablate("check", "recipe.yaml", "--plan", "plan.yaml")
    assert "arm baseline\n" in output
    assert "arm peak (pooling: {'kind': 'max'})\n" in output
    words = "train.py --data '{corpus}' --seed '{seed}' --out '{out}' --pooling max --steps 5"
    assert f"  train: {sys.executable} {words}\n" in output


@pytest.mark.usefixtures("files")
def test_check_without_a_plan_shows_every_kind() -> None:
    assert "arm max-pooling" in ablate("check", "recipe.yaml")


def test_check_shows_config_and_environment(files: Path) -> None:
    data = recipe_files.content() | {"config": {"base": "c.yaml", "set": {"seed": "{seed}"}}}
    data["train"].append("{config}")
    data["parts"]["pooling"]["kinds"]["max"] = {"set": {"model.pooling": "max"}, "environment": {"POOLING": "the max"}}
    (files / "c.yaml").write_text("seed: 1\nmodel: {pooling: mean}\n")
    recipe_files.write(files, data)
    output = ablate("check", "recipe.yaml", "--plan", "plan.yaml")
    assert "    config seed: {seed}\n    config model.pooling: max\n    environment POOLING=the max\n" in output


def test_check_counts_values_to_fill_in(files: Path) -> None:
    data = recipe_files.content()
    data["parts"]["pooling"]["kinds"]["max"]["arguments"] = ["FILL_IN"]
    recipe_files.write(files, data)
    with pytest.raises(UserError, match="has 1 values FILL_IN, on line"):
        ablate("check", "recipe.yaml")


def test_check_warns_of_a_program_that_is_not_here(files: Path) -> None:
    data = recipe_files.content()
    data["train"][0] = "no-such-python"
    recipe_files.write(files, data)
    assert "warning: there is no program 'no-such-python'" in ablate("check", "recipe.yaml")


def test_run_trains_one_arm_and_prints_its_error_rates(files: Path) -> None:
    kept = files / "kept"
    output = ablate("run", "recipe.yaml", "--plan", "plan.yaml", "--arm", "peak", "--out", str(kept))
    assert "training peak with seed 1\n" in output
    assert "wer/clean 0.0%\nwer/white_0db 0.0%\n" in output
    assert yaml.safe_load((kept / "model.json").read_text())["steps"] == "5"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--arm", "peek"], "the plan has no arm 'peek': did you mean 'peak'?"),
        (["--steps", "tiny"], "--steps is small, full or a number, got 'tiny'"),
        (["--steps", "0"], "training.steps is a whole number of at least 1, got 0"),
        (["--out", "."], "--out is a new folder"),
    ],
)
@pytest.mark.usefixtures("files")
def test_wrong_options_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        ablate("run", "recipe.yaml", "--plan", "plan.yaml", *words)
    assert said in str(caught.value)


def test_a_failed_command_is_not_a_traceback(files: Path) -> None:
    (files / "train.py").write_text("raise SystemExit('no GPU here')")
    with pytest.raises(CommandFailed, match="`train` ended with exit code 1: no GPU here"):
        ablate("run", "recipe.yaml", "--plan", "plan.yaml")
