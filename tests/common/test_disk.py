"""Disks that are full or read-only, as real small file systems: one sentence with the place, the room and the remedy."""

import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from common.disk import DiskFull, explained, make_folder, refusal
from common.errors import UserError
from common.files import atomic_write
from corpora.prepare import prepare
from corpora.show import show
from corpora.store import Corpus
from tracking.store import check_store

URI = "synthetic://talking-mouth?train=3&valid=1&test=2"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.getuid() != 0 or not shutil.which("mount"):
        pytest.skip("a file system of one's own needs root and mount")
    command = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> None:
    with (disk / "fill").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def test_a_full_cache_is_said_and_left_empty(small_disk: Path) -> None:
    with pytest.raises(
        DiskFull, match=r"disk that has .*/cache.* has no room .*\(.*B free\): free some space"
    ) as error:
        prepare(URI, small_disk / "cache", workers=1)
    assert error.value.exit_code == 1
    assert list((small_disk / "cache").iterdir()) == []


def test_a_read_only_cache_is_said(small_disk: Path) -> None:
    make_read_only(small_disk)
    with pytest.raises(UserError, match=r"/cache is read-only: make it writable, or give another folder") as error:
        prepare(URI, small_disk / "cache", workers=1)
    assert error.value.exit_code == 2


def test_a_sound_corpus_in_a_read_only_cache_is_used(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=20M", str(small_disk)], check=True)
    path = prepare(URI, small_disk, workers=1)
    shutil.rmtree(small_disk / ".checked")
    make_read_only(small_disk)
    assert prepare(URI, small_disk) == path
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    (path / "rejected.csv").unlink()
    make_read_only(small_disk)
    with pytest.raises(
        UserError, match=r"is damaged and cannot be removed \(Read-only file system\): delete the folder"
    ):
        prepare(URI, small_disk)


def test_a_picture_on_a_full_disk_is_refused(small_corpus: Path, small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(DiskFull, match=r"sheet\.png.* has no room .*\(0 bytes free\)"):
        show(Corpus.open(small_corpus), small_disk / "sheet.png")
    assert [path.name for path in small_disk.iterdir()] == ["fill"]


def test_a_store_of_mlflow_on_a_full_disk_is_no_wrong_address(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(DiskFull, match=r"disk that has .*mlflow\.db has no room .*\(0 bytes free\)"):
        check_store(f"sqlite:///{small_disk / 'mlflow.db'}")


def test_a_write_on_a_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    atomic_write(small_disk / "a", "old")
    fill(small_disk)
    with pytest.raises(DiskFull), explained(small_disk):
        atomic_write(small_disk / "a", bytes(100_000))
    assert (small_disk / "a").read_text() == "old"
    assert sorted(path.name for path in small_disk.iterdir()) == ["a", "fill"]


def test_the_folder_is_named_and_no_hidden_file(tmp_path: Path) -> None:
    hidden = tmp_path / ".report.html.068b1b79-lqzolioc.part"
    for path in (hidden, hidden / "report.html"):
        found = refusal(OSError(errno.EROFS, "Read-only file system", str(path)))
        assert str(found) == f"{tmp_path} is read-only: make it writable, or give another folder"


def test_a_text_of_sqlite_counts(tmp_path: Path) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    assert isinstance(refusal(full, tmp_path), DiskFull)
    assert "is read-only" in str(refusal(sqlite3.OperationalError("attempt to write a readonly database"), tmp_path))
    assert refusal(ValueError("something else"), tmp_path) is None
    wrapped = RuntimeError("mlflow failed")
    wrapped.__cause__ = full
    assert isinstance(refusal(wrapped, tmp_path), DiskFull)


def test_a_file_in_the_place_of_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match=r"cannot be a folder \(a file is there\): give another one"):
            make_folder(path)
