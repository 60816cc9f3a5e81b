"""Steps of a local run without their start-up: forks of a process that has imported torch, MLflow and kfp.

A new interpreter spends ten seconds on imports for every step and every worker; the server imports once. A step is still its own
process, and so is its worker (`components.workers.isolation`): a crash or a kill for lack of memory ends one of them. The server
has no threads when it forks, has opened no store, corpus or GPU, and runs no code of a step. Its steps end with it. If it dies, a
new one starts for the next step; if that cannot work either, steps are new interpreters.

The fork server of `multiprocessing` imports everything before it serves the first step. This one first imports what the first
steps need, and the modules of training while the corpus is prepared. A run whose first step refuses the plan takes 17.3 s of CPU
time with this server and 26.2 s with that one (138 and 173 s on a busy machine). Over whole runs of plans/smoke.yaml the two
differ by less than the noise: 45.3 and 53.2 against 43.6, 47.0 and 47.8 s of CPU time; of a rerun, 29.9 against 30.1 and 38.9.
"""

import gc
import importlib
import json
import math
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from ablation.plan.plan import RECIPE
from common.parent_death import end_with_parent, following
from common.redact import redact
from pipelines.local.step import execute, step_of
from recipes.base import Recipe
from recipes.optional import preload_check
from recipes.registry import find

# For the first steps, which do not wait for the rest.
FIRST = ("kfp.dsl.executor_main", "tracking.studies", "tracking.forehand")
REST = (
    "pyarrow.parquet",
    "corpora.store",
    "tracking.checkpoints",
    "ablation.stats.scoring",
    "ablation.stats.significance",
    "components.shared.study_record",
    "components.shared.gather",
    "ablation.report.build",
    "ablation.report.formats.kubeflow",
    "ablation.report.formats.mlflow",
    "ablation.report.figures.pdf_canvas",  # imports matplotlib
    "matplotlib.backends.backend_pdf",
    "ablation.decisions.promotion",
    "tracking.lease",
    "tracking.served",
)
WORKERS = ("components.workers.train", "components.workers.evaluate")
EARLY_STEPS = ("resolve_plan", "prepare_corpus", "find_finished", "close_study")
MOST_SERVERS = 3  # that one run starts: a machine without memory kills each
# Without a request, before the server imports in advance, which delays the next request. A rerun opens its study and finds its
# corpus in less than `QUIET_S`: nothing delays these steps, and no module of training is imported. `find_finished` is long.
SOON_S, QUIET_S = 0.1, 0.7
# A process that forks must not have threads. BLAS is not in a hot path, and neither is Arrow's allocator.
SINGLE = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false", "_KFP_RUNTIME": "true"}
# glibc keeps the memory of large arrays; a training step would return it and request it again. Also in docker/Dockerfile.
KEEPING = {"MALLOC_MMAP_THRESHOLD_": "67108864", "MALLOC_TRIM_THRESHOLD_": "268435456"}


class ForkServer:
    """Context manager in the process that schedules steps. `run` replaces kfp's `run_local_subprocess`.

    `recipe` is what the run trains. `process` is the server, or the last one if a server died.
    """

    def __init__(self, recipe: str = RECIPE) -> None:
        self.recipe = recipe

    def __enter__(self) -> Self:
        # A server ends with the thread that started it, and a thread that schedules steps ends before its server does.
        self._starter, self._turn, self._left = ThreadPoolExecutor(1), threading.Lock(), MOST_SERVERS
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._control.close()  # this ends the server
        self.process.wait()
        self._starter.shutdown()

    def _start(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._left -= 1
        command = following([sys.executable, "-m", "pipelines.local.forkserver", str(theirs.fileno()), self.recipe])
        with theirs:
            self.process = self._starter.submit(_started, command, theirs.fileno()).result()

    def _replace_dead_server(self) -> None:
        if self.process.poll() is not None and self._left:
            print("the fork server has died; a new one starts", flush=True)
            self._control.close()
            self._start()

    def run(self, full_command: Sequence[str], env_vars: Mapping[str, str] | None = None) -> int | None:
        """Run the command of a step, print its output, and return its exit code, or minus the number of the signal that ended it.

        The step and all of its processes have ended then. Return None without running anything if the command is not that of a
        lightweight component, or if no server can be started. Several threads may call this at the same time.
        """
        step = step_of(full_command)
        if step is None:
            return None
        request = {"step": step, "environment": dict(env_vars or {})}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(request, file)
            file.flush()
            if (pipes := self._ask(file.name)) is None:
                return None
            output, status = pipes
            with os.fdopen(output, errors="replace") as lines:
                for line in lines:
                    print(redact(line), end="")
            with os.fdopen(status) as said:
                code = said.read()
        return int(code) if code else -signal.SIGKILL

    def _ask(self, request: str) -> tuple[int, int] | None:
        """Return the reading ends of a step's output and of its exit code; None if the server is gone."""
        output, status = os.pipe(), os.pipe()
        try:
            sent = self._send(request, output[1], status[1])
        finally:
            os.close(output[1])
            os.close(status[1])
        if sent:
            return output[0], status[0]
        os.close(output[0])
        os.close(status[0])
        return None

    def _send(self, request: str, output: int, status: int) -> bool:
        """Hand a request to the server, or to a new one if the server has died. Return False if no server can be started."""
        with self._turn:
            for _ in range(MOST_SERVERS):
                self._replace_dead_server()
                try:
                    socket.send_fds(self._control, [request.encode()], [output, status])
                    return True
                except OSError:  # its end of the socket is closed, so it ends
                    self.process.wait()
        return False


def _started(command: list[str], control: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, pass_fds=[control], env=KEEPING | os.environ | SINGLE)


def possible() -> bool:
    """Return whether steps can be forked. Only Linux has pidfd_open and can fork safely with torch imported."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def _modules(step: Sequence[str], recipe: Recipe) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the modules that a step needs, and those that the server imports while it runs.

    A rerun that trains nothing has no step that trains or measures the arms, and must not wait for its modules. The preparation of
    a corpus leaves time for them.
    """
    name, training = step[-1], (*recipe.preload, *preload_check(recipe), *WORKERS)
    needed = (*FIRST, *(() if name in EARLY_STEPS else REST), *(training if name == "train_trials" else ()))
    return needed, (*FIRST, *REST, *(training if name == "prepare_corpus" else ()))


def _pause_s(step: str, quiet_s: float) -> float:
    """Return for how long the server waits for requests, the last of which came `quiet_s` ago for a step, before it imports."""
    return max(0.0, (SOON_S if step == "find_finished" else QUIET_S) - quiet_s)


class _Server:
    """The process that forks: one thread with one loop."""

    def __init__(self, control: socket.socket, recipe: Recipe) -> None:
        self.recipe, self.control, self.waiting, self.loaded = recipe, control, selectors.DefaultSelector(), set[str]()
        self.ahead: tuple[str, ...] = FIRST  # modules to import while there are no requests
        self.step = ""  # the last one that was asked for
        self.waiting.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Serve requests until the other end of the socket is closed."""
        busy = -math.inf  # the time of the last request, or end of a step
        while True:
            missing = self._missing(self.ahead)
            ready = self.waiting.select(_pause_s(self.step, time.monotonic() - busy) if missing else None)
            if ready:
                busy = time.monotonic()
            else:
                self._load(missing[0])
            for key, _ in ready:
                if key.fileobj is not self.control:
                    self._ended(key)
                elif not self._asked():
                    return

    def _missing(self, modules: Sequence[str]) -> list[str]:
        return [module for module in modules if module not in self.loaded]

    def _load(self, *modules: str) -> None:
        """Import modules. A step that needs a module which cannot be imported raises the error again."""
        for module in modules:
            self.loaded.add(module)
            try:
                importlib.import_module(module)
            except Exception:
                traceback.print_exc()
        if not self._missing(self.ahead):
            gc.freeze()  # a collection in a child would otherwise copy the pages of all that is imported

    def _asked(self) -> bool:
        place, (output, status), *_ = socket.recv_fds(self.control, 4096, 2) if self._open() else (b"", (-1, -1))
        if not place:
            return False
        request = json.loads(Path(place.decode()).read_text(encoding="utf-8"))
        self.step = request["step"][-1]
        needed, self.ahead = _modules(request["step"], self.recipe)
        self._load(*self._missing(needed))
        sys.stdout.flush()
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            end_with_parent(signal.SIGKILL, server)
            self._become(request, output, status)
        os.close(output)
        self.waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))
        return True

    def _open(self) -> bool:
        return bool(self.control.recv(1, socket.MSG_PEEK))

    def _become(self, request: Mapping[str, object], output: int, status: int) -> None:
        """Turn the forked child into a step, without anything of the server. Does not return."""
        from components.workers import isolation

        os.dup2(output, 1)
        os.dup2(output, 2)
        # The scheduler waits until the step's pipe is closed in every process.
        for end in (output, status, *self._held()):
            os.close(end)
        self.control.close()
        self.waiting.close()
        os.environ[isolation.FORK_WORKERS] = "1"
        os.environ.update(request["environment"])  # type: ignore[call-overload]
        isolation.run_and_leave(lambda: execute(*request["step"]))  # type: ignore[misc]

    def _held(self) -> list[int]:
        """Return the open files of the running steps, which a child inherits from the server and must close."""
        return [end for key in self.waiting.get_map().values() if key.data for end in (key.fd, key.data[1])]

    def _ended(self, key: selectors.SelectorKey) -> None:
        pid, status = key.data
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.waiting.unregister(key.fileobj)
        os.close(key.fd)
        os.write(status, str(code).encode())
        os.close(status)


if __name__ == "__main__":
    _Server(socket.socket(fileno=int(sys.argv[1])), find(sys.argv[2])).serve()
    sys.stdout.flush()
    os._exit(0)  # the user waits for this end, and an orderly one takes a quarter of a second
