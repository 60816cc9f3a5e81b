"""Mouths from real video. The face finder lives in an environment of its own (`make mouth`), behind pipes."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ablation.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
WORKER = Path(__file__).with_name("mouth_worker.py")


@dataclass(frozen=True)
class Mouths:
    """What became of one video: crops uint8 (T, 96, 96), or None and the reason."""

    file: Path
    frames: int
    crops: np.ndarray | None
    reason: str | None


def interpreter() -> Path:
    """The other environment's Python: $ABLATE_MOUTH_PYTHON, else .venv-mouth of this checkout. UserError if absent."""
    python = Path(os.environ.get("ABLATE_MOUTH_PYTHON", ROOT / ".venv-mouth" / "bin" / "python"))
    if not python.is_file():
        raise UserError(
            f"real video needs the mouth-finding environment, and {python} does not exist; run `make mouth` "
            "or name its Python in ABLATE_MOUTH_PYTHON"
        )
    return python


def cut_mouths(files: Sequence[Path], workers: int) -> Iterator[Mouths]:
    """Crops of many clips, in the order given. Each worker is a process with one thread's worth of work."""
    python = interpreter()
    workers = max(1, min(workers, len(files)))
    with tempfile.TemporaryDirectory() as folder, _processes(python, workers) as processes:
        free = list(processes)

        def ask(numbered: tuple[int, Path]) -> Mouths:
            process = free.pop()  # there are as many threads as processes, so one is free
            try:
                return _ask(process, numbered[1], Path(folder) / f"{numbered[0]}.npy")
            finally:
                free.append(process)

        with ThreadPoolExecutor(workers) as pool:
            yield from pool.map(ask, enumerate(files))


@contextmanager
def _processes(python: Path, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    processes = [
        subprocess.Popen(
            [python, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        )
        for _ in range(count)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _ask(process: subprocess.Popen[str], file: Path, out: Path) -> Mouths:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps({"file": str(file), "out": str(out)}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        line = ""
    if not line:
        raise RuntimeError(f"the mouth-finding process died on {file}; run `make mouth` anew and try that file alone")
    answer = json.loads(line)
    if answer["reason"] is not None:
        return Mouths(file, answer["frames"], None, answer["reason"])
    crops = np.load(out)
    out.unlink()
    return Mouths(file, answer["frames"], crops, None)
