"""A file is the old one or the new one, and never a part."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.files import atomic_path, atomic_write


def test_text_and_bytes_are_written(tmp_path: Path) -> None:
    assert atomic_write(tmp_path / "a.txt", "größe").read_text(encoding="utf-8") == "größe"
    assert atomic_write(tmp_path / "a.txt", b"\0").read_bytes() == b"\0"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "a.txt", "old")

    def fail() -> None:
        with atomic_path(path) as part:
            part.write_text("ne")
            raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_the_mode_is_that_of_a_new_file_whoever_writes_it(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a") as part:
            os.close(os.open(part, os.O_CREAT | os.O_WRONLY, 0o600))  # as safetensors does
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
        assert atomic_write(tmp_path / "b", "text").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_a_link_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("of somebody else")
    (tmp_path / "a").symlink_to("other")
    atomic_write(tmp_path / "a", "mine")
    assert (tmp_path / "other").read_text() == "of somebody else"
    assert not (tmp_path / "a").is_symlink()


def test_what_a_killed_writer_left_goes_at_the_next_write(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from common.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as part:\n    part.write_text('half'); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.txt")]
    assert subprocess.run(command, cwd=Path(__file__).parents[2], check=False).returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    atomic_write(tmp_path / "a.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
