"""Results of training that MLflow has not taken yet, kept next to the states of interrupted training runs.

They survive the run. The next run of the same trial, which has the same folder of states, takes them instead of training again.
"""

import contextlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

from common.checksums import fault, sums_of
from common.files import link_or_copy
from components.shared.trial import STATUS_FILE, Status

KEPT, SUMS = "trained", "sha256.json"


def keep(states: Path, out: Path) -> None:
    """Keep the files of a trained trial, all at once. A full disk only means that nothing is kept."""
    part = states / f".{KEPT}.{os.getpid()}.part"
    with contextlib.suppress(OSError):
        _remove(part)
        part.mkdir(parents=True)
        files = [path for path in out.iterdir() if path.is_file() and not path.name.startswith(".")]
        for file in files:
            link_or_copy(file, part / file.name)
        (part / SUMS).write_text(json.dumps(sums_of(part / file.name for file in files)))
        _remove(states / KEPT)
        part.replace(states / KEPT)
    _remove(part)


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
                link_or_copy(kept / name, out / name)
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
