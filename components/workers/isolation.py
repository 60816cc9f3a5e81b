"""A step's heavy work in a process of its own, so that a crash or a kill for memory is a result and not an end.

The step itself stays small: it imports neither torch nor MLflow, starts the worker, and says what became of it.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from common.errors import UserError

FORKS = (
    False  # set by `pipelines.local.forkserver` in a process that has loaded all that workers need, and has no threads
)


def run_isolated(module: str, request: Mapping[str, Any], processes: int = 1) -> str | None:
    """Run `python -m module` on a request (JSON types); None if it went well, else why it ended, in a sentence.

    More than one process, e.g. one per GPU, is started by torchrun.
    When this process is told to end, the worker is told first, and awaited.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(dict(request), file)
        file.flush()
        command = [sys.executable, *_launcher(processes), "-m", module, file.name]
        worker = _Forked(module, file.name) if FORKS and processes == 1 else subprocess.Popen(command)
        previous = signal.signal(signal.SIGTERM, _leave)
        try:
            code = worker.wait()
        except SystemExit:
            worker.terminate()
            worker.wait()
            raise
        finally:
            signal.signal(signal.SIGTERM, previous)
    return None if code == 0 else _explain(code)


class _Forked:
    """`python -m module request` without the start of an interpreter: what it would import is here already."""

    def __init__(self, module: str, request: str) -> None:
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            sys.argv = [module, request]
            run_and_leave(lambda: run_worker(importlib.import_module(module).work))

    def wait(self) -> int:
        """The exit code, or minus the number of the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)


def run_and_leave(call: Callable[[], object]) -> NoReturn:
    """End a forked process as an interpreter ends: with what was printed written, and the exit code that is due."""
    code = 1
    try:
        call()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _launcher(processes: int) -> list[str]:
    return ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []


def run_worker(work: Callable[[dict[str, Any]], None]) -> None:
    """The worker's side: read the request named on the command line and do the work.

    SIGTERM becomes SystemExit, so that open runs are closed and half-written files removed on the way out. A worker
    that is done leaves at once: to take torch and MLflow down in good order costs a second, for nothing.
    """
    signal.signal(signal.SIGTERM, _leave)
    work(json.loads(Path(sys.argv[1]).read_text()))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def end_cleanly() -> None:
    """Let SIGTERM unwind this process instead of stopping it where it stands."""
    signal.signal(signal.SIGTERM, _leave)


@contextlib.contextmanager
def in_one_sentence() -> Iterator[None]:
    """What a user got wrong ends the step with a sentence on stderr and exit code 1, without a traceback."""
    try:
        yield
    except UserError as error:
        raise SystemExit(f"error: {error}") from None


def _leave(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # told once is enough: a second time must not interrupt the tidying up
    raise SystemExit(128 + number)


def _explain(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as happens when memory runs out; use a smaller batch or model"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}; see the log of the run"
    return f"its process ended with exit code {code}; see the log of the run"
