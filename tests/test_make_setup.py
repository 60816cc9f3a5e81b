"""`make setup` takes the build of torch that is asked for, and keeps it afterwards."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INSTALL = "uv pip install --quiet --python .venv/bin/python"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def commands(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["make", "-n", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def is_set_up(folder: Path, torch: str) -> None:
    (folder / ".venv").mkdir()
    (folder / ".venv" / ".torch").write_text(f"{torch}\n")
    (folder / ".venv" / ".ready").touch()


def test_the_default_build_is_that_of_pypi(folder: Path) -> None:
    assert f"{INSTALL} -r requirements.txt" in " ".join(commands(folder, "setup").split())
    assert "--torch-backend" not in commands(folder, "setup")


def test_the_cpu_build_comes_from_the_index_of_pytorch(folder: Path) -> None:
    said = commands(folder, "setup", "TORCH=cpu")
    assert f"{INSTALL} --torch-backend cpu -r requirements.txt" in said
    assert "echo cpu > .venv/.torch" in said


def test_later_targets_keep_the_build(folder: Path) -> None:
    is_set_up(folder, "cpu")
    assert "uv pip install" not in commands(folder, "setup")
    assert "uv pip install" not in commands(folder, "lint")
    (folder / ".venv" / ".ready").unlink()
    assert "--torch-backend cpu" in commands(folder, "setup")


@pytest.mark.parametrize(("before", "after"), [("", "cpu"), ("cpu", ""), ("cpu", "auto")])
def test_another_build_needs_a_new_environment(folder: Path, before: str, after: str) -> None:
    is_set_up(folder, before)
    lines = commands(folder, "setup", f"TORCH={after}").splitlines()
    assert "rm -rf .venv" in lines
    assert any("uv pip install" in line for line in lines)


def test_an_environment_of_an_earlier_version_stays(folder: Path) -> None:
    is_set_up(folder, "")
    (folder / ".venv" / ".torch").unlink()
    assert "rm -rf" not in commands(folder, "setup")


def test_an_unknown_build_changes_nothing(folder: Path) -> None:
    is_set_up(folder, "cpu")
    done = subprocess.run(["make", "-C", str(folder), "setup", "TORCH=banana"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "got 'banana'; nothing was changed" in done.stderr
    assert (folder / ".venv" / ".torch").read_text() == "cpu\n"


@pytest.mark.parametrize("torch", ["cpu", ""])
def test_an_index_out_of_reach_is_named_with_the_other_build(folder: Path, torch: str) -> None:
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, code in (("python", 0), ("uv", 2)):
        (programs / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (programs / name).chmod(0o755)
    (folder / ".venv" / ".torch").write_text(f"{torch}\n")
    done = subprocess.run(["make", "-C", str(folder), "setup", f"TORCH={torch}"], capture_output=True, text=True)
    assert done.returncode == 2
    assert ("where that is out of reach, make setup TORCH= takes PyPI's" in done.stderr) is bool(torch)
    assert not (folder / ".venv" / ".ready").exists()
