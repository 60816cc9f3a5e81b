"""Checks of the Dockerfiles without a build."""

import re
import tomllib
from pathlib import Path

import pytest

from pipelines.local.forkserver import KEEPING

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "docker").glob("*ockerfile"))
STEPS = [
    ROOT / "docker" / name for name in ("Dockerfile", "preprocess.Dockerfile", "recipe.Dockerfile")
]  # of the pipeline


def instructions(file: Path) -> list[tuple[str, str]]:
    """Return (instruction, rest) pairs, with continued lines joined and without comments."""
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", file.read_text()))
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(pair[0].upper(), pair[1]) for pair in pairs]


def test_there_are_three_step_images_and_three_server_images() -> None:
    servers = {"mlflow.Dockerfile", "postgres.Dockerfile", "s3.Dockerfile"}
    assert {file.name for file in FILES} == {file.name for file in STEPS} | servers


@pytest.mark.parametrize("file", STEPS, ids=lambda file: file.name)
def test_step_images_have_no_entry_point(file: Path) -> None:
    assert not {"ENTRYPOINT", "CMD"} & {name for name, _ in instructions(file)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_runs_as_root(file: Path) -> None:
    user = [rest for name, rest in instructions(file) if name == "USER"][-1]
    assert user.isdigit()
    assert int(user) > 0


def test_any_user_of_group_0_has_a_name_and_a_home() -> None:
    """As OpenShift and `runAsUser` start a step. The second image inherits both."""
    found = instructions(STEPS[0])
    settings = dict(re.findall(r"(\w+)=(\S+)", " ".join(rest for name, rest in found if name == "ENV")))
    assert settings["USER"] == settings["LOGNAME"] == "ablate"
    [made] = [rest for name, rest in found if name == "RUN" and "useradd" in rest]
    assert "--gid 0" in made
    assert f"chmod 0775 {settings['HOME']}" in made
    assert not [rest for name, rest in instructions(STEPS[1]) if name == "ENV" and re.search(r"USER=|HOME=", rest)]


def test_a_pod_keeps_the_memory_of_large_arrays_as_a_local_step_does() -> None:
    settings = dict(
        re.findall(r"(\w+)=(\S+)", " ".join(rest for name, rest in instructions(STEPS[0]) if name == "ENV"))
    )
    assert settings.items() >= KEEPING.items()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_recipes_need_no_buildkit_and_bases_have_tags(file: Path) -> None:
    assert "# syntax" not in file.read_text()
    assert "<<" not in file.read_text()
    for name, rest in instructions(file):
        if name == "FROM":
            default = dict(re.findall(r"(?m)^ARG (\w+)=(\S+)", file.read_text())).get(rest.strip("${}"))
            tag = (default or "given:by-hand").rpartition(":")[2]  # without a default, the builder names it
            assert tag not in ("latest", default)


def test_the_image_and_its_context_have_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    copied = {rest.split()[0] for name, rest in instructions(ROOT / "docker" / "Dockerfile") if name == "COPY"}
    assert copied == packages | {"requirements.txt", "pyproject.toml"}
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_through == copied | {"requirements-mouth.txt", "docker/servers"}


@pytest.mark.parametrize("name", ["Dockerfile", "mlflow.Dockerfile"])
def test_images_install_with_the_uv_version_of_the_makefile(name: str) -> None:
    [of_make] = re.findall(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text())
    [of_image] = re.findall(r"ARG UV_VERSION=(\S+)", (ROOT / "docker" / name).read_text())
    assert of_make == of_image
