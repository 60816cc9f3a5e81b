"""Copies of what a local run stores in MLflow, so that its later steps do not depend on downloads from a server.

The environment variable ABLATE_LOCAL_COPIES names their folder, which lives as long as the run. Without it nothing is copied. A
copy is used only if its SHA-256 is the one in MLflow. Copies are hard links where the file system allows them.
"""

import contextlib
import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from common.checksums import fault
from common.files import link_or_copy

VARIABLE = "ABLATE_LOCAL_COPIES"


def put(key: str, files: Iterable[Path]) -> None:
    """Keep files under a key: the id of a run or of a checkpoint. A full disk only means that there is no copy."""
    folder = _folder(key)
    if folder is None:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            part = folder / f".{file.name}.{os.getpid()}"
            link_or_copy(file, part)
            part.replace(folder / file.name)


def put_tree(key: str, folder: Path, names: Iterable[str]) -> None:
    """Keep files of a folder, which may be in folders below it, under a key."""
    for name in names:
        put(str(Path(key) / Path(name).parent), [folder / name])


def take(key: str, sums: Mapping[str, str | Collection[str]], out: Path) -> bool:
    """Put the files of a key into the folder `out`. Return whether all files of `sums` are there and have these SHA-256."""
    folder = _folder(key)
    if folder is None or not sums:
        return False
    with contextlib.suppress(OSError):
        for name in sums:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, out / name)
        return fault(out, sums) is None
    return False


def drop(key: str) -> None:
    """Remove the files of a key, e.g. of a checkpoint that has been scored."""
    if (folder := _folder(key)) is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _folder(key: str) -> Path | None:
    root = os.environ.get(VARIABLE)
    return Path(root) / key if root else None
