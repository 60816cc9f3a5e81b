"""Results of training that MLflow has not taken yet, kept next to the states of interrupted training runs.

They survive the run. The next run of the same trial, which has the same folder of states, takes them instead of training again.
"""

import contextlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

from common.checksums import fault, sha256_of
from common.files import link_or_copy
from components.shared.trial import CHECKPOINT_FOLDER, HISTORY_FILE, STATUS_FILE, Status

KEPT, SUMS = "trained", "sha256.json"


def keep(states: Path, out: Path) -> None:
    """Keep the files of a trained trial, all at once. A full disk only means that nothing is kept."""
    part = states / f".{KEPT}.{os.getpid()}.part"
    with contextlib.suppress(OSError):
        _remove(part)
        part.mkdir(parents=True)
        names = [str(path.relative_to(out)) for path in _files(out)]
        for name in names:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(out / name, part / name)
        (part / SUMS).write_text(json.dumps({name: sha256_of(part / name) for name in names}))
        _remove(states / KEPT)
        part.replace(states / KEPT)
    _remove(part)


def _files(out: Path) -> list[Path]:
    """Return the files of a trial: its status, its curves, and all of its checkpoint."""
    own = [path for path in out.iterdir() if path.is_file() and not path.name.startswith(".")]
    return own + [path for path in (out / CHECKPOINT_FOLDER).rglob("*") if path.is_file()]


def take(states: Path, out: Path, status: Status) -> Status | None:
    """Put the kept files into `out` and return the status of this trial with the kept results; None if nothing sound is kept."""
    kept = states / KEPT
    try:
        sums = json.loads((kept / SUMS).read_text())
        if STATUS_FILE not in sums or fault(kept, sums):
            raise ValueError(f"files in {kept} are not as they were written")
        earlier = Status.read(kept)
        for name in sums:
            if name != STATUS_FILE:
                place = out / _place(name)
                place.parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(kept / name, place)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        print(f"{error}; the trial is trained again", flush=True)
        _remove(kept)
        return None
    print(
        f"{status.arm} seed {status.seed} was trained by an earlier run whose checkpoint MLflow did not take",
        flush=True,
    )
    return _now(earlier, status)


def _place(name: str) -> str:
    """Return where a kept file belongs. Earlier versions had the files of a checkpoint next to the status."""
    return name if "/" in name or name in (STATUS_FILE, HISTORY_FILE) else f"{CHECKPOINT_FOLDER}/{name}"


def _now(earlier: Status, status: Status) -> Status:
    """Return the kept results as those of this trial, whose run in MLflow has no curves yet."""
    return replace(
        status,
        status="trained",
        parameters=earlier.parameters,
        steps=earlier.steps,
        train_seconds=earlier.train_seconds,
        untracked="its curves were logged in the run of an earlier study",
    )


def clear(root: Path) -> None:
    """Remove the states under `root` of all trials but those whose result MLflow has not taken."""
    for states in root.glob("*"):
        if not is_kept(states):
            shutil.rmtree(states, ignore_errors=True)
    with contextlib.suppress(OSError):  # the folder is not empty, or there is none
        root.rmdir()


def is_kept(states: Path) -> bool:
    """Return whether a trained result is kept in a folder of states."""
    return (states / KEPT / SUMS).is_file()


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
