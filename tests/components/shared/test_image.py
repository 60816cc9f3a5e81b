"""The default image says which code it holds, in letters that a tag may have."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.shared.revision import image_tag

ROOT = Path(__file__).parents[3]
TAG = re.compile(r"\w[\w.-]{0,127}")


@pytest.mark.parametrize(
    ("revision", "tag"),
    [
        ("1a2b3c4d5e6f", "1a2b3c4d5e6f"),
        ("1a2b3c4d5e6f+", "1a2b3c4d5e6f-dirty"),
        ("v1.0-3-g1a2b3c4", "v1.0-3-g1a2b3c4"),
        ("release/1.0+", "release-1.0-dirty"),
    ],
)
def test_a_revision_becomes_a_tag(revision: str, tag: str) -> None:
    assert image_tag(revision) == tag
    assert TAG.fullmatch(tag)


def test_a_long_revision_is_cut() -> None:
    assert TAG.fullmatch(image_tag("a" * 200 + "+"))


def test_outside_of_git_the_sources_give_the_tag(tmp_path: Path) -> None:
    for package in ("ablation", "common", "components", "corpora", "model", "recipes", "tracking", "training"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    program = "from components.shared.image import default_image; print(default_image())"

    def named() -> str:
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, env={}
        )
        return done.stdout.strip()

    first = named()
    assert re.fullmatch(r"ablate-python:sources-[0-9a-f]{12}", first)
    (tmp_path / "model" / "new.py").write_text("x = 1\n")
    assert re.fullmatch(r"ablate-python:sources-[0-9a-f]{12}", named())
    assert named() != first
