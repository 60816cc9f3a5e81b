"""The folder of a study on this machine: one run at a time, a scratch folder, and results that are replaced all at once."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from common.errors import UserError
from common.files import atomic_path
from pipelines.local.paths import DELIVERY, STUDY
from pipelines.local.workspace import Workspace

SCRATCH = ".work"
REPORTS = ("report.*", "changes-since-*")  # files that describe one result and are wrong next to another


@contextlib.contextmanager
def writable(out: Path) -> Iterator[None]:
    """Make the folder, and turn every OSError of the block into UserError: results cannot be written there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        rule = f"results go to a folder that can be written to, and {out} cannot"
        raise UserError(f"{rule}: {error.strerror or error}; correct that, or give another folder by --out") from error


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the folder for this process. Raises UserError if another process holds it, or if the lock file is a link."""
    place = _lock_path(out)
    if place.is_symlink():  # filelock does not follow it either
        raise UserError(f"the file that locks {out} must not be a link, and {place} is one; remove it")
    lock = FileLock(place, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(f"another run is writing to {out}; wait for it, or give another folder by --out") from error
    try:
        yield
    finally:
        lock.release()


def is_held(out: Path) -> bool:
    """Return True if a run holds the folder now. This makes no file."""
    place = _lock_path(out)
    if place.is_symlink() or not place.is_file() or not os.access(place, os.W_OK):
        return False
    try:
        with FileLock(place, timeout=0):
            return False
    except Timeout:
        return True


def _lock_path(out: Path) -> Path:
    """Next to the folder, where the lock file can stay: a lock on a file that is removed excludes nobody."""
    beside = out.resolve().with_name(f".{out.resolve().name}.lock")
    return beside if os.access(beside.parent, os.W_OK) else out / ".lock"


def scratch_of(out: Path) -> Workspace:
    """Return the scratch folder inside `out`, which may not exist. A link in its place is removed and never followed."""
    root = out.resolve() / SCRATCH
    if root.is_symlink():
        root.unlink()
    return Workspace(root)


@contextlib.contextmanager
def scratch(out: Path) -> Iterator[Workspace]:
    """An empty scratch folder inside `out`, removed afterwards: MLflow and the study have what is worth keeping.

    The file that names open runs in MLflow stays as long as it is there: the next run closes them.
    """
    workspace = scratch_of(out)
    shutil.rmtree(workspace.root, ignore_errors=True)
    workspace.root.mkdir()
    try:
        yield workspace
    finally:
        for path in workspace.root.iterdir():
            if path != workspace.kfp_run_file:
                with contextlib.suppress(OSError):
                    _remove(path)
        if workspace.kfp_run is None:
            shutil.rmtree(workspace.root, ignore_errors=True)


def new_log(workspace: Workspace) -> BinaryIO:
    """Open an empty log. Only its owner can read it: it has all that the steps print, and so all that their libraries print.

    A file or a link in its place is replaced, and a link is not followed.
    """
    workspace.log.unlink(missing_ok=True)
    return os.fdopen(os.open(workspace.log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def deliver(study: Path, out: Path) -> None:
    """Replace the results in `out` by those in the folder `study`, which is on the same disk, all at once.

    The rename is the moment from which `out` holds the new study. What a kill afterwards leaves undone, `finish_delivery` does.
    """
    study.replace(out / DELIVERY)
    finish_delivery(out)


def finish_delivery(out: Path) -> None:
    """Copy delivered files into place, study.json last, and remove reports of the earlier results. Can be repeated."""
    delivery, ended = out / DELIVERY, out / f"{DELIVERY}.done"
    if delivery.is_dir() and not delivery.is_symlink():
        delivered = {path.name for path in delivery.iterdir()}
        for path in (path for pattern in REPORTS for path in out.glob(pattern) if path.name not in delivered):
            _remove(path)
        for path in sorted(delivery.iterdir(), key=lambda path: path.name == STUDY):
            _put(path, out / path.name)
        shutil.rmtree(ended, ignore_errors=True)
        delivery.replace(ended)
    shutil.rmtree(ended, ignore_errors=True)


def _put(source: Path, target: Path) -> None:
    if source.is_dir():
        _remove(target)
        shutil.copytree(source, target)
    else:
        with atomic_path(target) as part:
            shutil.copyfile(source, part)


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder. What a link points to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
