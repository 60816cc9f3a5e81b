"""A tiny study in a folder of its own, run by the real command with real processes."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from injection.processes import MARK, Process, processes

STUDY = "faulty"
PLAN: dict[str, Any] = {
    "study": STUDY,
    "question": "Does a disturbed study come back?",
    "corpus": "synthetic://talking-mouth?train=64&test=16&valid=8",
    "preset": "tiny",
    "seeds": [1],
    "conditions": {"babble": [0]},
    "baseline": {"training.steps": 50, "training.batch_size": 8},
    "ablations": [{"part": "fusion.scale", "replacements": {"no-scale": {"kind": "none"}}}],
}
ABSOLUTE = (
    ("runs", "artifact_uri"),
    ("experiments", "artifact_location"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
ENDS_S = 280.0
LOOK_S = 0.05
SCRATCH = ".work"  # below the study's folder
WAITS = "waiting for run"


@dataclass
class Place:
    """A folder with the plan, the studies, their MLflow store, prepared corpora and temporary files."""

    root: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 0

    @classmethod
    def new(cls, root: Path, cache: Path | None = None, **changes: Any) -> Self:
        """Make the folder. `cache` is a folder of prepared corpora to copy; `changes` are keys of the plan."""
        root.mkdir(parents=True)
        (root / "tmp").mkdir()
        (root / "plan.yaml").write_text(yaml.safe_dump(PLAN | changes))
        if cache is not None:
            shutil.copytree(cache, root / "corpora-cache", symlinks=True)
        return cls(root)

    @property
    def study(self) -> Path:
        """The folder of the results."""
        return self.root / "studies" / STUDY

    @property
    def database(self) -> Path:
        """The file of the MLflow store."""
        return self.root / "studies" / "mlflow.db"

    @property
    def cache(self) -> Path:
        """The only prepared corpus."""
        return next((self.root / "corpora-cache").glob("synthetic-*"))

    @property
    def artifacts(self) -> Path:
        """The folder in which MLflow keeps files of the study's runs and checkpoints."""
        return self.root / "studies" / "artifacts" / STUDY

    def copy(self, root: Path) -> "Place":
        """Return an independent copy: MLflow keeps absolute paths, which are replaced."""
        shutil.copytree(self.root, root, symlinks=True)
        with sqlite3.connect(root / "studies" / "mlflow.db") as database:
            for table, column in ABSOLUTE:
                database.execute(f"update {table} set {column} = replace({column}, ?, ?)", (str(self.root), str(root)))
        return Place(root, self.settings)

    def start(self, *arguments: str, log: str = "said", **settings: str) -> "Run":
        """Start `ablate` with `arguments`, by default a run of the plan. `settings` are environment variables."""
        self.attempts += 1
        earlier, old = _stamp(self.study / "run.log"), frozenset(self.study.glob(f"{SCRATCH}/*"))
        given = arguments or ("run", "plan.yaml")
        path = self.root / f"{log}-{self.attempts}.txt"
        environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        own = {MARK: str(self.root), "TMPDIR": str(self.root / "tmp"), "OMP_NUM_THREADS": "1"}
        with path.open("wb") as file:
            process = subprocess.Popen(
                [str(Path(sys.executable).with_name("ablate")), *given],
                cwd=self.root,
                env={**environment, **own, **self.settings, **settings},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Run(self, process, path, earlier=old, _earlier_log=earlier)

    def finish(self, *arguments: str, timeout_s: float = ENDS_S, **settings: str) -> "Run":
        """Run `ablate` to its end."""
        run = self.start(*arguments, **settings)
        run.wait(timeout_s)
        return run

    def processes(self) -> list[Process]:
        """Every living process of any run in this folder."""
        return processes(self.root)


@dataclass
class Run:
    """A run of `ablate`. `seconds` is how long it took, `waited_s` how long it waited for another run's lease.

    `earlier` are the folders in the scratch folder that a run left which was killed before.
    """

    place: Place
    process: "subprocess.Popen[bytes]"
    path: Path
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    waited_s: float = 0.0
    earlier: frozenset[Path] = frozenset()
    _waiting_since: float | None = None
    _earlier_log: tuple[int, int] | None = None

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs."""
        return self.process.poll()

    @property
    def said(self) -> str:
        """Everything that the command has printed."""
        return self.path.read_text(errors="replace")

    @property
    def log(self) -> str:
        """The log of this run's steps; empty as long as there is none."""
        file = self.place.study / "run.log"
        return file.read_text(errors="replace") if _stamp(file) not in (None, self._earlier_log) else ""

    @property
    def last(self) -> str:
        """The last line that it printed."""
        return (self.said.strip().splitlines() or [""])[-1]

    def wait(self, timeout_s: float = ENDS_S) -> int:
        """Wait for the end, and return the exit code. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while (code := self.code) is None:
            self.look()
            if time.monotonic() > deadline:
                raise TimeoutError(f"`ablate` still runs after {timeout_s:.0f} s; it said: {self.said[-2000:]}")
            time.sleep(LOOK_S)
        self.look()
        self.seconds = time.monotonic() - self.started
        return code

    def look(self) -> None:
        """Measure waits for a lease: from the sentence that says so to the first training step after it, or the end."""
        if self._waiting_since is None:
            if self.waited_s == 0 and WAITS in self.log:
                self._waiting_since = time.time()
            return
        if self.code is not None or self._has_gone_on():
            self.waited_s, self._waiting_since = time.time() - self._waiting_since, None

    def _has_gone_on(self) -> bool:
        assert self._waiting_since is not None
        histories = self.place.study.glob(f"{SCRATCH}/*/for-loop-*/*/*/*/history.jsonl")
        return any(path.stat().st_mtime > self._waiting_since for path in histories)


def _stamp(file: Path) -> tuple[int, int] | None:
    """Return what tells a file that was written again from what it was; None if there is no file."""
    return (file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None
