"""Separate processes for the heavy work of a step, so that a crash or a kill for lack of memory is a result of the step.

A step starts its worker, waits for it and says how it ended. The step decides on leases and reuse; the worker trains or scores.
While the step waits, it watches the memory of its container (`components.workers.memory`). A worker never outlives its step.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn, Protocol

from common.parent_death import ANY, end_with_parent, following
from common.user_environment import ensure_user_environment
from components.workers.memory import CALM_S, MemoryWatch, kill_tree, limited_groups, offer_to_kernel
from components.workers.signals import exit_on_sigterm, exiting_on_sigterm

FORK_WORKERS = "ABLATE_FORK_WORKERS"  # "1" in steps of `pipelines.local.step_server`, which sets it
STOP_S = 2.5  # from SIGTERM to SIGKILL of a worker whose step ends: it may be in a call that no signal interrupts

Run = Callable[[Mapping[str, Any]], str | None]
Worker = Callable[[dict[str, Any]], None]
OnStop = Callable[[], None]


class Start(Protocol):
    """A way to start workers.

    The context manager yields a function that runs `work(request)` of a module in a new process, or in several that
    torchrun starts, e.g. one per GPU. The function returns None on success, or one sentence that says how the worker ended.
    If SIGTERM comes meanwhile, `on_stop` is called first of all, then the worker is ended: a cluster kills all processes of a
    step within a second. A worker that has not ended `STOP_S` seconds later is killed.
    """

    def __call__(
        self, module: str, processes: int = 1, on_stop: OnStop | None = None
    ) -> AbstractContextManager[Run]: ...


def chosen_start() -> Start:
    """Return how this process starts workers: only steps of the fork server, which have loaded what workers need, fork."""
    return forked if os.environ.get(FORK_WORKERS) == "1" else fresh


@contextlib.contextmanager
def fresh(module: str, processes: int = 1, on_stop: OnStop | None = None) -> Iterator[Run]:
    """Start each worker as a new interpreter."""
    yield lambda request: _wait(lambda file: _Interpreter(module, processes, file), request, on_stop)


@contextlib.contextmanager
def forked(module: str, processes: int = 1, on_stop: OnStop | None = None) -> Iterator[Run]:
    """Start the first worker as a fork of this process, without the seconds that an interpreter takes to import torch.

    The fork happens at once, before the step has a thread (of a lease) or an open store, neither of which survives a fork.
    It waits for its request and exits if there is none. A second worker, and one of several processes, is a new interpreter.
    """
    with contextlib.ExitStack() as standing_by, fresh(module, processes, on_stop) as run_fresh:
        ready = [standing_by.enter_context(contextlib.closing(_Forked(module)))] if processes == 1 else []
        yield lambda request: _wait(ready.pop().begin, request, on_stop) if ready else run_fresh(request)


def _wait(
    begin: Callable[[str], "_Interpreter | _Forked"], request: Mapping[str, Any], on_stop: OnStop | None
) -> str | None:
    """Hand a request (JSON types) to a worker and wait for its end. On SIGTERM, call `on_stop` and end the worker."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file, exiting_on_sigterm():
        json.dump(dict(request), file)
        file.flush()
        worker, watch = None, MemoryWatch(limited_groups())
        try:
            worker = begin(file.name)
            offer_to_kernel(worker.pid)
            _await_end(worker.pid, watch)
            code = worker.wait()
        except SystemExit:
            try:
                if on_stop:
                    on_stop()
            finally:
                if worker:  # else it ends with this process
                    _end(worker)
            raise
    return None if code == 0 else watch.reason or _explain(code)


def _end(worker: "_Interpreter | _Forked") -> None:
    """Let a worker end in good order, or kill it with what it has started after `STOP_S` seconds."""
    worker.terminate()
    with contextlib.closing(_Ends(worker.pid)) as ends:
        if not ends.within(STOP_S):
            kill_tree(worker.pid)
    worker.wait()


def _await_end(pid: int, watch: MemoryWatch) -> None:
    """Wait until a worker has ended, if there is a limit of memory to watch. The worker is not collected."""
    if not watch.groups:
        return
    with contextlib.closing(_Ends(pid)) as ends:
        while not ends.within(CALM_S if watch.reason else watch.look(pid)):
            pass


class _Ends:
    """The end of a child process as something to wait for."""

    def __init__(self, pid: int) -> None:
        self._pid, self._descriptor = pid, -1
        with contextlib.suppress(OSError):  # a sandbox without this call: `within` then asks
            self._descriptor = os.pidfd_open(pid)

    def within(self, seconds: float) -> bool:
        """Return True once the process has ended; wait for at most some seconds."""
        if not self._reached():
            watched = [self._descriptor] if self._descriptor != -1 else []
            select.select(watched, [], [], seconds)
        return self._reached()

    def _reached(self) -> bool:
        try:
            return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # it is collected already
            return True

    def close(self) -> None:
        if self._descriptor != -1:
            os.close(self._descriptor)


class _Interpreter:
    """`python -m module request` as a child process."""

    def __init__(self, module: str, processes: int, request: str) -> None:
        self._process = subprocess.Popen(_command(processes, module, request))
        self.pid = self._process.pid

    def wait(self) -> int:
        """The exit code, or minus the number of the signal that ended it."""
        return self._process.wait()

    def terminate(self) -> None:
        self._process.terminate()


class _Forked:
    """A child that does the same without the start of an interpreter, as soon as `begin` names its request."""

    def __init__(self, module: str) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        reading, self._writing = os.pipe()
        self._code: int | None = None
        step = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            end_with_parent(signal.SIGKILL, step)
            os.close(self._writing)
            run_and_leave(lambda: _stand_by(module, reading))
        os.close(reading)

    def begin(self, request: str) -> "_Forked":
        with contextlib.suppress(BrokenPipeError), os.fdopen(self._writing, "w") as pipe:  # a dead child is for `wait`
            self._writing = -1
            pipe.write(request)
        return self

    def wait(self) -> int:
        """The exit code, or minus the number of the signal that ended it."""
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code

    def terminate(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def close(self) -> None:
        """Let a child exit that was not needed, end one that still works, and wait for it."""
        if self._writing != -1:
            os.close(self._writing)
        elif self._code is None:
            _end(self)
        self.wait()


def _stand_by(module: str, reading: int) -> None:
    """The forked child: wait for the name of the request's file and do the work, or return if there is no request."""
    with os.fdopen(reading) as pipe:
        request = pipe.read()
    if request:
        sys.argv = [module, request]
        run_worker(importlib.import_module(module).work)


def run_and_leave(call: Callable[[], object]) -> NoReturn:
    """End a forked process as an interpreter ends: with all output written, and with the exit code that is due."""
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


def _command(processes: int, module: str, request: str) -> list[str]:
    """Return the command of a worker, or of torchrun with several, of which each ends with torchrun, and torchrun with us."""
    worker = [sys.executable, "-m", module, request]
    if processes > 1:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        worker = [*torchrun, "--no-python", *following(worker, parent=ANY)]
    return following(worker)


def run_worker(work: Worker) -> None:
    """Do the work on the request that the command line names. This is the main function of a worker's process.

    SIGTERM becomes SystemExit, so that the worker removes half-written files before it exits. After success the process
    exits at once: an orderly shutdown of torch takes a second and has no use.
    """
    exit_on_sigterm()
    ensure_user_environment()
    work(json.loads(Path(sys.argv[1]).read_text()))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _explain(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as happens when memory runs out; use a smaller batch or model"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}; see the log of the run"
    return f"its process ended with exit code {code}; see the log of the run"
