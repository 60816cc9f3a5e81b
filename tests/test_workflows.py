"""The CI files fit their services, are valid and safe shell, and name commands and files of this checkout."""

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
CONTEXT = re.compile(r"(vars|secrets|github|inputs)\.\w+|always\(\)")
LITERAL_OR_OPERATOR = re.compile(r"'[^']*'|\|\||&&|[!=]=")
HOSTED_MINUTES = 360  # a job on a runner of GitHub ends after six hours


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def tool(name: str, *arguments: str, given: str | None = None) -> str:
    """Return the complaints of a checker; empty if it has none."""
    command = [str(Path(sys.executable).with_name(name)), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=ROOT)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def scripts(name: str, text: str) -> list[str]:
    """Return the shell scripts of a CI file."""
    return [script for job in jobs(name, text).values() for script in scripts_of(job)]


def jobs(name: str, text: str) -> dict[str, Any]:
    """Return the jobs of a CI file."""
    data = yaml.safe_load(text)
    return {key: job for key, job in (data if name == GITLAB else data["jobs"]).items() if key != "variables"}


def scripts_of(job: dict[str, Any]) -> list[str]:
    return ["\n".join(job["script"])] if "script" in job else [step["run"] for step in job["steps"] if "run" in step]


def filters(name: str, text: str) -> list[str]:
    """Return the file patterns for which a push starts the job."""
    data: Any = yaml.safe_load(text)
    if name == GITLAB:
        rules = [rule for job in jobs(name, text).values() for rule in job["rules"]]
        return [pattern for rule in rules for pattern in rule.get("changes", [])]
    return list(data[True]["push"]["paths"])  # YAML 1.1 reads `on` as true


def asked(name: str, text: str) -> set[str]:
    """Return the variables and secrets that a user must set."""
    if name == GITLAB:
        return set(re.findall(r"\$\{?([A-Z_]+)", text)) - GIVEN_BY_GITLAB
    return set(re.findall(r"(?:vars|secrets)\.(\w+)", text))


def faults(name: str, text: str, place: Path) -> Iterator[str]:
    """Yield every fault of a CI file."""
    file = place / Path(name).name
    file.write_text(text, encoding="utf-8")
    yield tool("check-jsonschema", "--builtin-schema", *SCHEMAS[name], str(file))
    if name == GITHUB:
        yield tool("zizmor", "--offline", "--quiet", "--config", str(ROOT / ".github" / "zizmor.yml"), str(file))
    for script in scripts(name, text):
        yield tool("shellcheck", "--shell=bash", "-", given=script)
    yield from (f"no file matches {path}" for path in filters(name, text) if not next(ROOT.glob(path), None))
    yield from (
        f"docs/ci.md does not describe {key}" for key in asked(name, text) if f"`{key}`" not in read("docs/ci.md")
    )
    yield from (f"an expression with an unknown context: {found}" for found in unknown_contexts(text))
    yield from (
        f"no file {path}" for path in re.findall(r"(?:plans|deploy)/[\w-]+\.yaml", text) if not (ROOT / path).is_file()
    )
    yield from commands("\n".join(scripts(name, text)))


def unknown_contexts(text: str) -> list[str]:
    """Return what a workflow's expressions name and GitHub does not know."""
    found = re.findall(r"\$\{\{(.*?)\}\}", text) + re.findall(r"^ +if: (.*)", text, re.MULTILINE)
    words = [word for expression in found for word in LITERAL_OR_OPERATOR.sub(" ", expression).split()]
    return [word for word in words if not CONTEXT.fullmatch(word)]


def commands(script: str) -> Iterator[str]:
    """Yield the make targets and options that do not exist."""
    targets = re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE)
    yield from (
        f"make has no target {target}" for target in re.findall(r"\bmake (\w+)", script) if target not in targets
    )
    known = getattr(get_command(app), "commands", {})
    for line in re.findall(r"\.venv/bin/ablate (.*)", script):
        options = {option for parameter in known[line.split()[0]].params for option in parameter.opts}
        yield from (f"no option {word}" for word in re.findall(r"--[\w-]+", line) if word not in options)


def found(name: str, text: str, place: Path) -> list[str]:
    return [fault for fault in faults(name, text, place) if fault]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_ci_files_have_no_fault(name: str, tmp_path: Path) -> None:
    assert found(name, read(name), tmp_path) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (GITHUB, "runs-on:", "run-on:", "run-on"),
        (GITHUB, "persist-credentials: false", "clean: true", "artipacked"),
        (GITHUB, '"$ABLATE_IMAGE"', "$ABLATE_IMAGE", "SC2086"),
        (GITHUB, "model/**", "modle/**", "no file matches modle/**"),
        (GITHUB, "secrets.KF_PIPELINES_TOKEN", "secrets.KF_TOKEN", "does not describe KF_TOKEN"),
        (GITHUB, "github.sha", "githb.sha", "unknown context: githb.sha"),
        (GITHUB, "github.event_name !=", "githb.event_name !=", "unknown context: githb.event_name"),
        (GITHUB, "--no-wait", "--no-waits", "no option --no-waits"),
        (GITHUB, "plans/smile.yaml", "plans/simle.yaml", "no file plans/simle.yaml"),
        (GITLAB, "deploy/cluster.yaml", "deploy/clutser.yaml", "no file deploy/clutser.yaml"),
        (GITLAB, "--only-gate", "--just-gate", "no option --just-gate"),
        (GITLAB, "when: always", "when: allways", "allways"),
        (GITLAB, "make lint", "make lnit", "make has no target lnit"),
    ],
)
def test_a_fault_in_a_ci_file_is_found(name: str, old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in read(name)
    assert words in "\n".join(found(name, read(name).replace(old, new), tmp_path))


def test_two_pushes_to_a_branch_run_in_order() -> None:
    """No job is cancelled, because it may be about to submit. The scheduled job does not wait for pushes."""
    found = yaml.safe_load(read(GITHUB))["concurrency"]
    assert found["group"] == "ablation-${{ github.event_name == 'schedule' && 'gate' || github.ref }}"
    assert found["cancel-in-progress"] is False
    submit, gate = jobs(GITLAB, read(GITLAB)).values()
    assert (submit["resource_group"], gate["resource_group"]) == (
        "ablation-$CI_COMMIT_REF_SLUG",
        "ablation-gate-$CI_COMMIT_REF_SLUG",
    )


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_job_waits_for_a_study(name: str) -> None:
    """A study may take days, and a hosted runner ends after six hours. Pods need the settings of the cluster."""
    minutes = []
    for job in jobs(name, read(name)).values():
        [line] = re.findall(r"\.venv/bin/ablate ci .*", "\n".join(scripts_of(job)))
        assert ("--no-wait" in line) != ("--only-gate" in line)
        assert '--cluster "$ABLATE_CLUSTER"' in line
        minutes.append(int(str(job.get("timeout-minutes", job.get("timeout"))).split()[0]))
    assert max(minutes) < HOSTED_MINUTES / 2


def test_both_jobs_name_the_same_run() -> None:
    """The gate finds the run by plan, image and settings, so both jobs give the same ones."""
    for name in SCHEMAS:
        lines = re.findall(r"\.venv/bin/ablate ci .*", "\n".join(scripts(name, read(name))))
        assert len({re.split(r" --no-wait| --only-gate", line)[0] for line in lines}) == 1
