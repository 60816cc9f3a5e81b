"""The studies in a folder, with their states, for `ablate list`. Reads study.json without its tables, and changes nothing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.local.paths import STUDY
from pipelines.local.study_folder import is_held

LOG = "run.log"
FINISHED, IMPORTED, RUNNING, UNFINISHED, DAMAGED = "finished", "imported", "running", "unfinished", "damaged"


@dataclass(frozen=True)
class Listed:
    """One study. `trials` counts those with a result, of `planned`; both are 0 where no result can be read.

    `state` is `finished`, `imported`, `running`, `unfinished` (the last run was interrupted, or failed without a report), or
    `damaged`. An unfinished study with trials has the result of an earlier run. `created` is an ISO date and time, or empty.
    """

    study: str
    state: str
    created: str = ""
    arms: int = 0
    seeds: int = 0
    trials: int = 0
    planned: int = 0
    corpus: str = ""


def listed(studies: Path) -> list[Listed]:
    """Return the studies in a folder, the newest first."""
    folders = [path for path in studies.glob("[!.]*") if (path / STUDY).is_file() or (path / LOG).is_file()]
    return [_listed(path) for path in sorted(folders, key=_changed, reverse=True)]


def state_of(folder: Path) -> str:
    """Return the state of a study's folder; study.json itself is not read."""
    if is_held(folder):
        return RUNNING
    log, study = folder / LOG, folder / STUDY
    written = study.stat().st_mtime_ns if study.is_file() else 0
    return UNFINISHED if log.is_file() and log.stat().st_mtime_ns > written else FINISHED


def _changed(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder / STUDY, folder / LOG) if path.is_file())


def _listed(folder: Path) -> Listed:
    state = state_of(folder)
    if not (folder / STUDY).is_file():
        return Listed(folder.name, state)
    try:
        return _from_record(folder.name, state, json.loads((folder / STUDY).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Listed(folder.name, DAMAGED)


def _from_record(name: str, state: str, record: Mapping[str, Any]) -> Listed:
    trials, corpus = record["trials"], record["corpus"]
    return Listed(
        name,
        IMPORTED if state == FINISHED and record.get("imported") else state,
        str(record.get("created", "")),
        len(record["arms"]),
        len(record["seeds"]),
        sum(trial["status"] == "finished" for trial in trials),
        len(trials),
        str(corpus.get("uri") or corpus.get("name") or ""),
    )
