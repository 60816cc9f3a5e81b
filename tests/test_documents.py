"""What the documents tell people to type exists, and the files that they point to are there."""

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from ablation.plan.arms import expand
from ablation.plan.plan import plan_from_mapping
from cli.main import app
from model.config import CATALOGUE

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/cluster.md",
    "docs/corpora-in-s3.md",
    "docs/servers.md",
    "docs/submit.md",
    "docs/ci.md",
    "docs/statistics.md",
    "docs/transcribe.md",
)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def known() -> dict[str, set[str]]:
    """Options of every command, `corpus show` and the like included."""
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
        command = " ".join(words[:2]) if words[0] in ("corpus", "schedule") else words[0]
        assert command in commands, line
        assert {word for word in words if word.startswith("-")} <= commands[command], line


@pytest.mark.parametrize("name", DOCUMENTS)
def test_targets_of_make_exist(name: str) -> None:
    targets = re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE)
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", read(name), re.MULTILINE)) <= set(targets)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_are_named_exist(name: str) -> None:
    linked = re.findall(r"\]\((?!http)([^)]+)\)", read(name))
    folders = "ablation|cli|common|components|corpora|deploy|docs|model|pipelines|plans|recipes|tests|tracking|training"
    quoted = re.findall(rf"`((?:{folders})/[^`*\s]*)`", read(name))
    assert [path for path in linked if not ((ROOT / name).parent / path).exists()] == []
    assert [path for path in quoted if not (ROOT / path).exists()] == []


def test_the_plan_in_the_readme_is_one() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", read("README.md"), re.DOTALL)
    plan = plan_from_mapping(yaml.safe_load(text))
    assert [arm.arm for arm in expand(plan, CATALOGUE)] == ["baseline", "uniform", "half", "none"]
    for part in CATALOGUE.parts:
        assert f"`{part}`" in read("README.md")
