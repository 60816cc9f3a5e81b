"""A disk that is full or read-only: one sentence says which and what to do, and the same command works once it is repaired."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from injection.chain import record
from injection.facts import Reference, litter, numbers, store
from injection.filesystems import FILLER, SmallDisk, can_mount
from injection.processes import end_all, until_gone
from injection.stages import reach
from injection.study import STUDY, Place, Run

FULL = bool(os.environ.get("ABLATE_FAULT_FULL"))
RECORD = os.environ.get("ABLATE_FAULT_RECORD")
STUDIES, RESULTS, CACHE, TEMPORARY = "studies", "results", "corpora-cache", "tmp"
MEBIBYTES = 120
FEW = 64 << 10  # bytes left where nothing at all would stop even the first file
TRACKED = ("--out", f"{RESULTS}/{STUDY}")
FULL_SAYS, READ_ONLY_SAYS = "no room for what is written", r"(?i)read-only|cannot be written|not writable"
# What is on the small disk: the folder of the results, the MLflow store, prepared corpora, temporary files.
FOLDERS = (RESULTS, STUDIES, CACHE, TEMPORARY)
IN_CI = {("full", RESULTS), ("read-only", CACHE)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    if not can_mount(tmp_path):
        pytest.skip("this process may not mount file systems")
    place = Place.new(tmp_path / "place")
    yield place
    end_all(place.root)


def _run(place: Place) -> Run:
    """Start the study with its results and its MLflow store in different folders."""
    return place.start("run", "plan.yaml", *TRACKED)


def _results(place: Place) -> Place:
    """The same place, of which `study` is the folder of the results."""
    return _Elsewhere(place.root, place.settings, place.attempts)


class _Elsewhere(Place):
    @property
    def study(self) -> Path:
        return self.root / RESULTS / STUDY


def _copy_corpus(reference: Reference, place: Place, folder: str) -> None:
    if folder != CACHE:
        shutil.copytree(reference.place.root / CACHE, place.root / CACHE, symlinks=True)


def _is_refused(run: Run, says: str, disk: SmallDisk) -> None:
    """It failed with a sentence about the disk, and left no process."""
    assert run.code in (1, 2), run.said
    assert "Traceback" not in run.said
    assert re.search(says, run.said), run.said
    assert disk.folder.name in run.said
    assert until_gone(run.place.root, 5.0)[1] == []


def _works_again(place: Place, reference: Reference) -> None:
    elsewhere = _results(place)
    run = elsewhere.finish("run", "plan.yaml", *TRACKED)
    assert (run.code, "Traceback" in run.said) == (0, False), run.said
    assert numbers(elsewhere) == reference.numbers
    assert store(place.database).faults() == []
    assert litter(elsewhere) == []


BREAK: dict[str, tuple[Callable[[SmallDisk], None], Callable[[SmallDisk], None], str]] = {
    "full": (lambda disk: disk.fill(FEW), SmallDisk.make_room, FULL_SAYS),
    "read-only": (lambda disk: disk.read_only(True), lambda disk: disk.read_only(False), READ_ONLY_SAYS),
}


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("fault", BREAK)
def test_a_disk_that_is_unusable_from_the_start(fault: str, folder: str, place: Place, reference: Reference) -> None:
    if not FULL and (fault, folder) not in IN_CI:
        pytest.skip("set ABLATE_FAULT_FULL=1 for all folders")
    break_, repair, says = BREAK[fault]
    _copy_corpus(reference, place, folder)
    with ExitStack() as stack:
        stack.callback(end_all, place.root)
        disk = stack.enter_context(SmallDisk(place.root / folder, MEBIBYTES))
        break_(disk)
        run = _run(_results(place))
        run.wait()
        record(RECORD, disk=fault, folder=folder, when="start", code=run.code, said=run.last)
        if run.code or folder != TEMPORARY:  # little is written there, or elsewhere if it cannot be used
            _is_refused(run, says, disk)
        repair(disk)
        _works_again(place, reference)


@pytest.mark.slow
@pytest.mark.skipif(not FULL, reason="takes minutes: set ABLATE_FAULT_FULL=1")
@pytest.mark.parametrize("stage", ["train-trials", "compare-arms"])
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_disk_that_fills_up_in_the_middle(folder: str, stage: str, place: Place, reference: Reference) -> None:
    """The study may end well if nothing more had to be written there; else it says what is full."""
    _copy_corpus(reference, place, folder)
    with ExitStack() as stack:
        stack.callback(end_all, place.root)
        disk = stack.enter_context(SmallDisk(place.root / folder, MEBIBYTES))
        run = _run(_results(place))
        assert reach(run, stage)
        disk.fill()
        run.wait()
        record(RECORD, disk="full", folder=folder, when=stage, code=run.code, said=run.last)
        if run.code:
            _is_refused(run, FULL_SAYS, disk)
        disk.make_room()
        assert not (disk.folder / FILLER).exists()
        _works_again(place, reference)
