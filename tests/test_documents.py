"""Commands, options and files that the documents name exist, and the generated page is up to date."""

import re
from pathlib import Path

import pytest
import yaml
from generators import generator
from typer.main import get_command

from ablation.plan.arms import expand
from ablation.plan.plan import plan_from_mapping
from cli.main import app
from model.config import CATALOGUE

ROOT = Path(__file__).parents[1]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
IGNORED = {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()}
FOLDERS = sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in IGNORED)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def known() -> dict[str, set[str]]:
    """Return the options of every command and sub-command."""
    found, waiting = {}, [("", get_command(app))]
    while waiting:
        name, command = waiting.pop()
        waiting += [(f"{name} {sub}".strip(), inner) for sub, inner in getattr(command, "commands", {}).items()]
        found[name] = {
            option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]
        }
    return found


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_and_their_options_exist(name: str) -> None:
    lines = re.findall(r"(?:^|`)ablate ([^`\n]+)", read(name), re.MULTILINE)
    commands = known()
    for line in lines:
        words = line.partition("#")[0].split()
        own = words[0].startswith("-")  # an option of `ablate` itself
        command = "" if own else next((name for name in (" ".join(words[:2]), words[0]) if name in commands), words[0])
        assert command in commands, line
        assert {word for word in words if word.startswith("-")} <= commands[command], line


@pytest.mark.parametrize("name", DOCUMENTS)
def test_targets_of_make_exist(name: str) -> None:
    targets = re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE)
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", read(name), re.MULTILINE)) <= set(targets)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_and_sections_exist(name: str) -> None:
    linked = re.findall(r"\]\((?!http)([^)#]+)", read(name))
    sections = re.findall(r"\]\(#([^)]+)\)", read(name))
    headings = re.findall(r"^#+ (.*)", read(name), re.MULTILINE)
    quoted = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[^`*\s]*)`", read(name))
    assert [path for path in linked if not ((ROOT / name).parent / path).exists()] == []
    assert [path for path in quoted if not (ROOT / path).exists() and path not in IGNORED] == []
    assert set(sections) <= {heading.lower().replace(" ", "-") for heading in headings}


def test_the_plan_in_the_readme_is_valid() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", read("README.md"), re.DOTALL)
    plan = plan_from_mapping(yaml.safe_load(text))
    assert [arm.arm for arm in expand(plan, CATALOGUE)] == ["baseline", "uniform", "half", "none"]
    for part in CATALOGUE.parts:
        assert f"`{part}`" in read("README.md")


def test_the_page_of_commands_is_up_to_date() -> None:
    commands = generator("generate_commands")
    assert commands.TARGET.read_text(encoding="utf-8") == commands.document(), (
        "docs/commands.md is not what cli/ says; run `python docs/generate_commands.py`"
    )
