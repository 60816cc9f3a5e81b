"""Mouths from real video. The face finder runs in a separate environment (`make mouth`) and is called through pipes."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import UserError
from common.owned_folder import owned_folder
from common.parent_death import following
from corpora.media.tracks import LONGEST_S

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mouths:
    """The result for one video: crops uint8 (T, 96, 96), or None and the reason.

    Frame 0 begins at `start_s` on the time line of the file.
    """

    file: Path
    crops: np.ndarray | None
    reason: str | None
    start_s: float = 0.0


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


def cut_mouths(
    files: Sequence[Path], workers: int, *, any_rate: bool = False, longest_s: float = LONGEST_S
) -> Iterator[Mouths]:
    """Yield the crops of many clips, in the given order, from `workers` processes. Raises UserError if the environment fails.

    Clips of another frame rate than 25 are left out; with `any_rate` they are converted. So are clips that
    last longer than `longest_s` seconds.
    """
    python = interpreter()
    with ExitStack() as stack:
        folder = stack.enter_context(owned_folder(Path(tempfile.gettempdir()), "ablate-mouths-"))
        count = max(1, min(workers, len(files)))
        free = [_Worker(python, folder / f"{n}") for n in range(count)]
        for worker in free:
            stack.callback(worker.stop)

        def ask(file: Path) -> Mouths:
            worker = free.pop()  # there are as many threads as workers, so one is free
            try:
                return worker.ask(file, {"any_rate": any_rate, "longest_s": longest_s})
            finally:
                free.append(worker)

        pool = stack.enter_context(ThreadPoolExecutor(count))
        yield from pool.map(ask, files)


class _Worker:
    """A process that cuts mouths. It is started when it is asked, and again after a clip that ended it."""

    def __init__(self, python: Path, place: Path) -> None:
        self.python, self.place = python, place
        self.process: subprocess.Popen[str] | None = None

    def ask(self, file: Path, options: Mapping[str, bool | float]) -> Mouths:
        """Return the mouths of a clip. Raises UserError if the environment does not work."""
        process = self.process or self._start()
        crops = self.place.with_suffix(".npy")
        line = _said(process, {"file": str(file.resolve()), "out": str(crops), **options})
        if not line:
            ended = process.wait()
            self.stop()
            return Mouths(file, None, f"the mouth finder stopped at it with exit code {ended}: {self._last_line()}")
        answer = json.loads(line)
        if answer["reason"] is not None:
            return Mouths(file, None, answer["reason"])
        return Mouths(file, np.load(crops), None, answer["start_s"])

    def _start(self) -> subprocess.Popen[str]:
        with self.place.with_suffix(".log").open("w") as complaints:
            self.process = subprocess.Popen(
                following([str(self.python), "-P", "-m", "corpora.mouth.worker"]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            )
        if not _said(self.process, None):
            raise UserError(
                f"the mouth finder must start; {self.python} stopped with the message: {self._last_line()}; "
                "delete .venv-mouth and run `make mouth`"
            )
        return self.process

    def stop(self) -> None:
        """End the process, if there is one."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = None

    def _last_line(self) -> str:
        lines = self.place.with_suffix(".log").read_text(errors="replace").splitlines()
        return ([line.strip() for line in lines if line.strip()] or ["nothing"])[-1]


def _said(process: subprocess.Popen[str], request: dict[str, object] | None) -> str:
    """Return the next line of a process after a request, "" if it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if request is not None:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        return process.stdout.readline()
    except BrokenPipeError:
        return ""
