"""A file is the old one or the new one, and never a part."""

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
