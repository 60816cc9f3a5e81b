"""Facts about what a study has left: its numbers, the contents of its MLflow store, and files that nobody needs."""

import contextlib
import hashlib
import json
import sqlite3
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from injection.study import Place

COUNTS_ORDER = ["arm", "seed", "condition", "utterance_id"]
CONDITIONS = ("clean", "babble_0db")
CURVES_ORDER = ["arm", "seed", "metric", "step"]
PENDING, READY = 1, 2  # of MLflow's LoggedModelStatus
OPEN = ("RUNNING", "SCHEDULED")
DELETED = "Deleted_Internal"  # MLflow keeps the rows of deleted versions
RESULTS = {
    "study.json",
    "counts.parquet",
    "curves.parquet",
    "run.log",
    "report-figures.pdf",
    *(f"report.{suffix}" for suffix in ("html", "md", "tex", "csv", "json")),
}
LEFT_OVER = (".part", ".gone", "-journal", "-wal", "-shm", ".tmp")
KEPT = (".links", ".checked", ".locks")  # of the cache of prepared corpora
MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Numbers:
    """The numbers of a study. Two are equal if no word, error or loss differs."""

    wer: dict[str, Any]
    counts: str
    curves: str


@dataclass(frozen=True)
class Reference:
    """A finished study, its numbers, and the seconds of its stages, the preparation of the corpus among them."""

    place: Place
    numbers: Numbers
    seconds: Mapping[str, float]


def numbers(place: Place, conditions: Sequence[str] = CONDITIONS) -> Numbers:
    """Read the numbers of the study in a folder, in the conditions of the plan. Raises OSError if there is no study."""
    study = json.loads((place.study / "study.json").read_text())
    keys = [f"wer/{condition}" for condition in conditions]
    wer = {
        f"{trial['arm']} seed {trial['seed']}": {key: (trial["wer"] or {}).get(key) for key in keys}
        for trial in study["trials"]
    }
    counts = pd.read_parquet(place.study / "counts.parquet")
    counts = counts[counts["condition"].isin(conditions)].sort_values(COUNTS_ORDER)
    curves = pd.read_parquet(place.study / "curves.parquet").sort_values(CURVES_ORDER)
    return Numbers(wer, *(hashlib.sha256(table.to_csv(index=False).encode()).hexdigest() for table in (counts, curves)))


@dataclass(frozen=True)
class Store:
    """The contents of an MLflow database: runs as (role, name, status), and everything that is there twice or unfinished."""

    runs: list[tuple[str, str, str]]
    open_runs: list[str]
    study_runs: list[str]
    same_trials: list[str]
    same_points: int
    pending_models: int
    same_models: list[str]
    same_versions: list[str]
    versions: int
    integrity: str

    def faults(self) -> list[str]:
        """Return what no finished study may leave, a sentence each."""
        found = [f"open run: {name}" for name in self.open_runs]
        found += [f"trial run twice in a study: {name}" for name in self.same_trials]
        found += [f"{self.same_points} points of curves twice"] if self.same_points else []
        found += [f"{self.pending_models} models pending"] if self.pending_models else []
        found += [f"two ready models of one run: {name}" for name in self.same_models]
        found += [f"two versions of one fingerprint: {name}" for name in self.same_versions]
        return found + ([] if self.integrity == "ok" else [f"database: {self.integrity}"])


def store(database: Path) -> Store:
    """Read a store on SQLite without a lock."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        ask = lambda query: connection.execute(query).fetchall()  # noqa: E731
        tags: dict[str, dict[str, str]] = {}
        for run, key, value in ask("select run_uuid, key, value from tags"):
            tags.setdefault(run, {})[key] = value
        runs = ask("select run_uuid, name, status from runs where lifecycle_stage = 'active'")
        role = {run: tags.get(run, {}).get("ablation.role", "") for run, _, _ in runs}
        parent = {run: tags.get(run, {}).get("mlflow.parentRunId", "") for run, _, _ in runs}
        models = ask("select status, source_run_id from logged_models where lifecycle_stage = 'active'")
        versions = ask(
            "select name, value from model_version_tags join model_versions using (name, version)"
            f" where key = 'fingerprint' and current_stage != '{DELETED}'"
        )
        points = ask("select run_uuid, key, step from metrics group by run_uuid, key, step having count(*) > 1")
        return Store(
            runs=[(role[run], name, status) for run, name, status in runs],
            open_runs=[name for _, name, status in runs if status in OPEN],
            study_runs=[status for run, _, status in runs if role[run] == "study"],
            same_trials=_twice(f"{parent[run]}/{name}" for run, name, _ in runs if role[run] == "trial"),
            same_points=len(points),
            pending_models=sum(status == PENDING for status, _ in models),
            same_models=_twice(run for status, run in models if status == READY),
            same_versions=_twice(f"{name} {fingerprint}" for name, fingerprint in versions),
            versions=len(ask(f"select version from model_versions where current_stage != '{DELETED}'")),
            integrity=ask("pragma integrity_check")[0][0],
        )


def _twice(names: Any) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def litter(place: Place, *, study: Path | None = None) -> list[str]:
    """Return the files that a finished run must not leave, below the folder and in its temporary folder."""
    found = [str(path.relative_to(place.root)) for path in place.root.rglob("*") if _is_left(path)]
    found += [f"tmp/{path.name}" for path in (place.root / "tmp").iterdir()]
    folder = study or place.study
    found += [f"{folder.name}/{name}" for name in sorted({path.name for path in folder.iterdir()} - RESULTS)]
    return sorted(set(found))


def _is_left(path: Path) -> bool:
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
            return True
    if path.name.startswith(".") and path.name.endswith(".lock"):
        return False
    hidden = path.name.startswith(".") and path.name not in KEPT
    return hidden or path.name.endswith(LEFT_OVER) or path.name == "unfinished"


def shared_memory() -> set[str]:
    """Return the files in shared memory that no living process holds open."""
    held = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            held.add(str(link.readlink()))
    return {path.name for path in MEMORY.iterdir() if str(path) not in held}
