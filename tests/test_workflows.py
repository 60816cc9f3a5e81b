"""The CI files: fit for their services, sound as shell, safe, and true to what is in this tree."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from cli.main import app

ROOT = Path(__file__).parents[1]
GITHUB, GITLAB = ".github/workflows/ablation.yml", "docs/gitlab-ci.yml"
SCHEMAS = {GITHUB: ["vendor.github-workflows"], GITLAB: ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]}
GIVEN_BY_GITLAB = {"CI_COMMIT_SHA", "CI_COMMIT_REF_SLUG", "CI_PIPELINE_SOURCE"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def tool(name: str, *arguments: str, given: str | None = None) -> str:
    """What a checker has to say; empty where it is content."""
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=ROOT)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def scripts(name: str, text: str) -> list[str]:
    """The shell in it."""
    data = yaml.safe_load(text)
    if name == GITLAB:
        return ["\n".join(job["script"]) for job in data.values()]
    return [step["run"] for job in data["jobs"].values() for step in job["steps"] if "run" in step]


def filters(name: str, text: str) -> list[str]:
    """The patterns of files on which a push starts it."""
    data: Any = yaml.safe_load(text)
    if name == GITLAB:
        return [pattern for job in data.values() for rule in job["rules"] for pattern in rule.get("changes", [])]
    return list(data[True]["push"]["paths"])  # to YAML 1.1, `on` is a truth value


def asked(name: str, text: str) -> set[str]:
    """The variables and secrets that somebody has to set."""
    if name == GITLAB:
        return set(re.findall(r"\$([A-Z_]+)", text)) - GIVEN_BY_GITLAB
    return set(re.findall(r"(?:vars|secrets)\.(\w+)", text))


def faults(name: str, text: str, place: Path) -> Iterator[str]:
    """Everything that is wrong with a CI file."""
    file = place / Path(name).name
    file.write_text(text, encoding="utf-8")
    yield tool("check-jsonschema", "--builtin-schema", *SCHEMAS[name], str(file))
    if name == GITHUB:
        yield tool("zizmor", "--offline", "--quiet", "--config", str(ROOT / ".github" / "zizmor.yml"), str(file))
    for script in scripts(name, text):
        yield tool("shellcheck", "--shell=bash", "-", given=script)
    yield from (f"nothing here fits {path}" for path in filters(name, text) if not next(ROOT.glob(path), None))
    yield from (
        f"docs/ci.md does not say what {key} is" for key in asked(name, text) if f"`{key}`" not in read("docs/ci.md")
    )
    for contexts in re.findall(r"\$\{\{(.*?)\}\}", text):
        if not re.fullmatch(r" (vars|secrets|github)\.\w+ ", contexts):
            yield f"an expression of no known context:{contexts}"
    yield from commands("\n".join(scripts(name, text)))


def commands(script: str) -> Iterator[str]:
    """Targets of make, commands of ours, their options and plans: those that are not there."""
    targets = re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE)
    yield from (f"make has no {target}" for target in re.findall(r"\bmake (\w+)", script) if target not in targets)
    known = getattr(get_command(app), "commands", {})
    for line in re.findall(r"\.venv/bin/ablate (.*)", script):
        words = line.split()
        options = {option for parameter in known[words[0]].params for option in parameter.opts}
        yield from (f"no option {word}" for word in words if word.startswith("--") and word not in options)
        yield from (f"no plan {word}" for word in words if word.startswith("plans/") and not (ROOT / word).is_file())


def found(name: str, text: str, place: Path) -> list[str]:
    return [fault for fault in faults(name, text, place) if fault]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_ci_files_have_no_fault(name: str, tmp_path: Path) -> None:
    assert found(name, read(name), tmp_path) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (GITHUB, "runs-on:", "run-on:", "run-on"),
        (GITHUB, "        with:\n          persist-credentials: false\n", "", "artipacked"),
        (GITHUB, '"$ABLATE_IMAGE"', "$ABLATE_IMAGE", "SC2086"),
        (GITHUB, "model/**", "modle/**", "nothing here fits modle/**"),
        (GITHUB, "secrets.KF_PIPELINES_TOKEN", "secrets.KF_TOKEN", "what KF_TOKEN is"),
        (GITHUB, "github.sha", "githb.sha", "no known context: githb.sha"),
        (GITHUB, "--timeout", "--time-out", "no option --time-out"),
        (GITHUB, "plans/smile.yaml", "plans/simle.yaml", "no plan plans/simle.yaml"),
        (GITLAB, "when: always", "when: allways", "allways"),
        (GITLAB, "make lint", "make lnit", "make has no lnit"),
    ],
)
def test_a_fault_in_a_ci_file_is_found(name: str, old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in read(name)
    assert words in "\n".join(found(name, read(name).replace(old, new), tmp_path))


def test_two_pushes_to_a_branch_run_in_order() -> None:
    """And none is cancelled: what it has trained would be lost to the next."""
    assert yaml.safe_load(read(GITHUB))["concurrency"] == {
        "group": "ablation-${{ github.ref }}",
        "cancel-in-progress": False,
    }
    assert yaml.safe_load(read(GITLAB))["ablation"]["resource_group"] == "ablation-$CI_COMMIT_REF_SLUG"
