"""The folder of a study: held by one process at a time, and replaced as a whole."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import UserError
from pipelines.local import studies, study_folder
from pipelines.local.study_folder import deliver, locked, new_log, scratch, writable

ROOT = Path(__file__).parents[3]
# Takes and gives back the folder many times. A file that only one holder at a time can create finds a second holder.
TAKE_TURNS = """
import os, sys, time
from pathlib import Path
from common.errors import UserError
from pipelines.local.study_folder import locked
out, held, taken, until = Path(sys.argv[1]), Path(sys.argv[2]), 0, time.monotonic() + 60
while taken < 1500 and time.monotonic() < until:
    try:
        with locked(out):
            os.close(os.open(held, os.O_CREAT | os.O_EXCL))
            taken += 1
            held.unlink()
    except UserError:
        pass
assert taken
"""


def test_two_processes_never_hold_a_folder_at_once(tmp_path: Path) -> None:
    out, held = tmp_path / "study", tmp_path / "held"
    out.mkdir()
    command = [sys.executable, "-c", TAKE_TURNS, str(out), str(held)]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == ["", ""]


def test_a_held_folder_is_refused_at_once(tmp_path: Path) -> None:
    refused = pytest.raises(UserError, match=r"another run is writing to .*; wait for it, or give another")
    with locked(tmp_path), refused, locked(tmp_path / "."):
        pass
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = r"can be written to, and .*file/study cannot: Not a directory; correct that"
    with pytest.raises(UserError, match=said), writable(tmp_path / "file" / "study"):
        pass


def test_scratch_is_empty_at_first_and_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / ".work").mkdir()
    (tmp_path / ".work" / "leftover").touch()
    with scratch(tmp_path) as workspace:
        assert list(workspace.root.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_folder_names_open_runs_until_they_are_closed(tmp_path: Path) -> None:
    with scratch(tmp_path) as workspace:
        (workspace.root / "more").mkdir()
        workspace.kfp_run_file.write_text("7")
    assert [path.name for path in workspace.root.iterdir()] == ["kfp-run"]
    with scratch(tmp_path) as workspace:
        assert workspace.kfp_run is None
    assert list(tmp_path.iterdir()) == []


def test_links_in_the_folder_are_never_followed(tmp_path: Path) -> None:
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    for folder in (elsewhere, out):
        folder.mkdir()
    (elsewhere / "mine").write_text("mine")
    (out / ".work").symlink_to(elsewhere)
    (out / "run.log").symlink_to(elsewhere / "mine")
    with scratch(out) as workspace, new_log(workspace) as log:
        log.write(b"line")
    assert (elsewhere / "mine").read_text() == "mine"
    assert (out / "run.log").read_text() == "line"
    assert (out / "run.log").stat().st_mode & 0o777 == 0o600
    (tmp_path / ".out.lock").symlink_to(elsewhere / "mine")
    with pytest.raises(UserError, match=r"must not be a link, and .*/\.out\.lock is one; remove it"), locked(out):
        pass
    assert (elsewhere / "mine").read_text() == "mine"


OLD = {
    "study.json": "old",
    "counts.parquet": "old",
    "report.html": "old",
    "report.tex": "old",
    "changes-since-a.md": "old",
    "run.log": "log",
    "notes.txt": "mine",
}
NEW = {"study.json": "new", "counts.parquet": "new", "report.html": "new", "figures/wer.pdf": "new"}
AFTER = NEW | {"run.log": "log", "notes.txt": "mine"}


def fill(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def files_of(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_delivery_leaves_no_report_of_earlier_results(tmp_path: Path) -> None:
    out = fill(tmp_path / "out", OLD)
    deliver(fill(tmp_path / "new", NEW), out)
    assert files_of(out) == AFTER
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


class Killed(BaseException):
    """Ends the process in the place of a kill."""


def killing(function: Callable[..., object], after: int) -> Callable[..., object]:
    """The function, which ends everything at its call number `after`, from 0."""
    calls = iter(range(1000))

    def call(*arguments: object, **more: object) -> object:
        if next(calls) == after:
            raise Killed
        return function(*arguments, **more)

    return call


@pytest.mark.parametrize("name", ["_put", "_remove"])
@pytest.mark.parametrize("after", range(len(NEW)))
def test_after_a_kill_readers_find_all_of_the_new_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, after: int
) -> None:
    out = fill(tmp_path / "out", OLD)
    with monkeypatch.context() as patch:
        patch.setattr(study_folder, name, killing(getattr(study_folder, name), after))
        try:
            deliver(fill(tmp_path / "new", NEW), out)
        except Killed:
            assert (out / "study.json").read_text() == "old"
    assert studies.study_folder(str(out)) == out
    assert files_of(out) == AFTER


def test_a_kill_before_the_delivery_leaves_all_of_the_old_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = fill(tmp_path / "out", OLD)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killing(Path.replace, 0))
        with pytest.raises(Killed):
            deliver(fill(tmp_path / "new", NEW), out)
    assert studies.study_folder(str(out)) == out
    assert files_of(out) == OLD


def test_study_json_is_the_last_file_to_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, order = fill(tmp_path / "out", OLD), []
    put = study_folder._put

    def noting(source: Path, target: Path) -> None:
        order.append(target.name)
        put(source, target)

    monkeypatch.setattr(study_folder, "_put", noting)
    deliver(fill(tmp_path / "new", NEW), out)
    assert order[-1] == "study.json"
    assert set(order) == {"study.json", "counts.parquet", "report.html", "figures"}


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_whose_parent_is_closed_is_locked_too(tmp_path: Path) -> None:
    (tmp_path / "closed" / "out").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o555)
    try:
        with locked(tmp_path / "closed" / "out"):
            assert (tmp_path / "closed" / "out" / ".lock").exists()
    finally:
        (tmp_path / "closed").chmod(0o755)
        shutil.rmtree(tmp_path / "closed")
