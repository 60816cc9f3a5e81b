"""The time since which MLflow has not answered: a file that all steps of a local run share, and that the command reads.

It lies in the folder of problems. Without such a folder, as in a cluster, each process knows only its own time.
"""

import contextlib
import json
import os
import time
from pathlib import Path

from components.shared.problem import PROBLEMS_FOLDER

AWAY, BACK = ".mlflow-away", ".mlflow-back-"  # hidden: they are not problems of a step
_own: list[float] = []


def note(why: str) -> None:
    """Write down that MLflow does not answer, unless that is known."""
    if not _own:
        _own.append(time.time())
    if folder := _folder():
        with contextlib.suppress(OSError), (folder / AWAY).open("x") as file:
            json.dump({"since": time.time(), "why": why}, file)


def end() -> None:
    """Write down that MLflow answers again, if it did not."""
    _own.clear()
    if folder := _folder():
        with contextlib.suppress(OSError):
            (folder / AWAY).replace(folder / f"{BACK}{time.time():.0f}")


def seconds() -> float:
    """Return for how long MLflow has not answered, as far as this process or another one of the run knows."""
    begun = _own[:1]
    if (folder := _folder()) and (found := _read(folder)):
        begun.append(float(found["since"]))
    return time.time() - min(begun) if begun else 0.0


def lines(problems: Path, kept_in: Path) -> list[str]:
    """Return what the user has to know, from the folder of problems of a run: one line for each outage, and one for its end."""
    told = []
    for path in sorted(problems.glob(f"{BACK}*")):
        if found := _read(problems, path.name):
            told.append(_line(found, kept_in))
        told.append(f"MLflow answers again since {_clock(float(path.name.removeprefix(BACK)))}")
    found = _read(problems)
    return told + ([_line(found, kept_in)] if found else [])


def _line(found: dict[str, str], kept_in: Path) -> str:
    since, why = _clock(float(found["since"])), found["why"]
    safe = f"the study goes on, and checkpoints that MLflow does not take stay in {kept_in}"
    return f"MLflow has not answered since {since} ({why}); {safe}"


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def _read(folder: Path, name: str = AWAY) -> dict[str, str] | None:
    try:
        found: dict[str, str] = json.loads((folder / name).read_text())
    except (OSError, ValueError):  # there is none, or another process is writing it
        return None
    return found


def _folder() -> Path | None:
    folder = os.environ.get(PROBLEMS_FOLDER)
    return Path(folder) if folder else None
