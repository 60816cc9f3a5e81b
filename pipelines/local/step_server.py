"""The server of `pipelines.local.forkserver`: a process with one thread and one loop, which becomes a step by a fork.

It has no threads when it forks, has opened no store, corpus or GPU, and runs no code of a step.
"""

import gc
import importlib
import json
import math
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.parent_death import end_with_parent
from pipelines.local.preload import FIRST, modules_of, pause_s
from pipelines.local.step import execute
from recipes.base import Recipe
from recipes.registry import find


class StepServer:
    """Serves the requests that come through a socket, each with the writing ends of a step's output and of its exit code."""

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
            ready = self.waiting.select(pause_s(self.step, time.monotonic() - busy) if missing else None)
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

    def _asked(self) -> bool:
        place, (output, status), *_ = socket.recv_fds(self.control, 4096, 2) if self._open() else (b"", (-1, -1))
        if not place:
            return False
        request = json.loads(Path(place.decode()).read_text(encoding="utf-8"))
        self.step = request["step"][-1]
        needed, self.ahead = modules_of(self.step, self.recipe)
        self._load(*self._missing(needed))
        sys.stdout.flush()
        gc.freeze()  # a collection in a child would otherwise look through all that is imported, and copy its pages
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
        gc.enable()
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
    gc.disable()  # until a fork becomes a step: what is imported stays, and looking for garbage in it takes a tenth of the time
    StepServer(socket.socket(fileno=int(sys.argv[1])), find(sys.argv[2])).serve()
    sys.stdout.flush()
    os._exit(0)  # the user waits for this end, and an orderly one takes a quarter of a second
