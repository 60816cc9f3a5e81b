"""Temporary folders: removed at the end, swept after a kill, and never taken from a living process."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common import owned_folder as module
from common.owned_folder import owned_folder, sweep

ROOT = Path(__file__).parents[2]
CODE = (
    "import sys, time; from pathlib import Path; from common.owned_folder import owned_folder\n"
    "with owned_folder(Path(sys.argv[1]), '.corpus.', '.writing') as folder:\n"
    "    (folder / 'shard').write_bytes(bytes(1000)); print(folder, flush=True); time.sleep(60)"
)


def owner(parent: Path) -> tuple["subprocess.Popen[str]", Path]:
    """Start a process that owns a folder, and return both."""
    process = subprocess.Popen([sys.executable, "-c", CODE, str(parent)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_gone_after_the_block(tmp_path: Path) -> None:
    with owned_folder(tmp_path, "a-", ".part") as folder:
        assert folder.name.startswith("a-")
        assert folder.suffix == ".part"
        (folder / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_process_is_swept_and_a_living_one_stays(tmp_path: Path) -> None:
    living, kept = owner(tmp_path)
    dead, left = owner(tmp_path)
    try:
        sweep(tmp_path, suffix=".writing")
        assert kept.is_dir()
        assert left.is_dir()
        dead.kill()
        dead.wait()
        with owned_folder(tmp_path, ".corpus.", ".writing") as mine:
            assert sorted(tmp_path.iterdir()) == sorted([kept, mine])
    finally:
        for process in (living, dead):
            process.kill()
            process.communicate()


def test_other_names_stay(tmp_path: Path) -> None:
    boot = module._boot()
    for name in ("corpus", ".corpus.abcdefgh.writing", f".corpus.{boot}-abcdefgh.part", f".corpus.{boot}-abc.writing"):
        (tmp_path / name).mkdir()
    (tmp_path / f".file.{boot}-abcdefgh.writing").write_text("a file")
    before = sorted(tmp_path.iterdir())
    sweep(tmp_path, suffix=".writing")
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_of_another_boot_goes_after_a_day_without_a_change(tmp_path: Path) -> None:
    folder = tmp_path / ".corpus.00000000-abcdefgh.writing"
    folder.mkdir()
    (folder / "shard").write_text("x")
    sweep(tmp_path, suffix=".writing")
    assert folder.is_dir()
    two_days_ago = time.time() - 2 * 86400
    os.utime(folder / "shard", (two_days_ago, two_days_ago))
    sweep(tmp_path, suffix=".writing")
    assert folder.is_dir()  # the folder itself has changed today
    os.utime(folder, (two_days_ago, two_days_ago))
    sweep(tmp_path, suffix=".writing")
    assert not folder.exists()


def test_owners_and_sweeps_at_once_lose_nothing(tmp_path: Path) -> None:
    def work(_: int) -> None:
        for _ in range(30):
            with owned_folder(tmp_path, ".corpus.", ".writing") as folder:
                (folder / "file").write_text("x")
                time.sleep(0.001)
                assert (folder / "file").read_text() == "x"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert list(tmp_path.iterdir()) == []


def test_a_parent_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), owned_folder(tmp_path / "nowhere", "a-"):
        pass
