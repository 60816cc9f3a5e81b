"""Steps of a local run without their start-up: forks of a process that has imported torch, MLflow and kfp.

A new interpreter spends ten seconds on imports for every step and every worker; the server imports once. A step is still its own
process, and so is its worker (`components.workers.isolation`): a crash or a kill for lack of memory ends one of them. This is the
end of the process that schedules steps; `pipelines.local.step_server` is the server. Its steps end with it. If it dies, a new one
starts for the next step; if that cannot work either, steps are new interpreters.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from ablation.plan.plan import RECIPE
from common.parent_death import following
from common.redact import redact
from pipelines.local.step import step_of

MOST_SERVERS = 3  # that one run starts: a machine without memory kills each
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
        command = following([sys.executable, "-m", "pipelines.local.step_server", str(theirs.fileno()), self.recipe])
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
