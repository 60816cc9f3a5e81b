"""Mouths from real video. The face finder runs in a separate environment (`make mouth`) and is called through pipes."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from common.errors import UserError
from common.owned_folder import owned_folder
from common.parent_death import following

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mouths:
    """The result for one video: crops uint8 (T, 96, 96), or None and the reason."""

    file: Path
    crops: np.ndarray | None
    reason: str | None


@dataclass(frozen=True)
class _Worker:
    process: subprocess.Popen[str]
    complaints: IO[str]

    def last_line(self) -> str:
        self.process.wait()
        self.complaints.seek(0)
        return ([line.strip() for line in self.complaints if line.strip()] or ["nothing"])[-1]


def interpreter() -> Path:
    """Return the Python of the separate environment: $ABLATE_MOUTH_PYTHON, else .venv-mouth of this checkout.

    Raises UserError if it does not exist.
    """
    python = Path(os.environ.get("ABLATE_MOUTH_PYTHON") or ROOT / ".venv-mouth" / "bin" / "python")
    if not python.is_file():
        raise UserError(
            f"real video needs the environment that finds mouths, and {python} does not exist: run `make mouth` "
            "or name its Python in ABLATE_MOUTH_PYTHON"
        )
    return python


def cut_mouths(files: Sequence[Path], workers: int) -> Iterator[Mouths]:
    """Yield the crops of many clips, in the given order, from `workers` processes. Raises UserError if the environment fails."""
    python = interpreter()
    with ExitStack() as stack:
        folder = stack.enter_context(owned_folder(Path(tempfile.gettempdir()), "ablate-mouths-"))
        count = max(1, min(workers, len(files)))
        free = [stack.enter_context(_worker(python, folder / f"{n}.log")) for n in range(count)]

        def ask(file: Path) -> Mouths:
            worker = free.pop()  # there are as many threads as workers, so one is free
            try:
                return _ask(worker, file, folder / f"{worker.process.pid}.npy")
            finally:
                free.append(worker)

        pool = stack.enter_context(ThreadPoolExecutor(count))
        yield from pool.map(ask, files)


@contextmanager
def _worker(python: Path, log: Path) -> Iterator[_Worker]:
    with log.open("w+") as complaints:
        process = subprocess.Popen(
            following([str(python), "-P", "-m", "corpora.mouth.worker"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        )
        try:
            yield _Worker(process, complaints)
        finally:
            process.kill()
            process.communicate()


def _ask(worker: _Worker, file: Path, out: Path) -> Mouths:
    stdin, stdout = worker.process.stdin, worker.process.stdout
    assert stdin is not None
    assert stdout is not None
    try:
        stdin.write(json.dumps({"file": str(file.resolve()), "out": str(out)}) + "\n")
        stdin.flush()
        line = stdout.readline()
    except BrokenPipeError:
        line = ""
    if not line:
        raise UserError(
            f"the mouth finder must answer for every clip; it stopped at {file} with the message: {worker.last_line()}; "
            "delete .venv-mouth and run `make mouth`, or remove the clip if only this one fails"
        )
    if (reason := json.loads(line)["reason"]) is not None:
        return Mouths(file, None, reason)
    return Mouths(file, np.load(out), None)
