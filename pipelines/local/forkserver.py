"""Steps of a local run without their start-up: a process that has loaded torch, MLflow and kfp forks one per step.

A fresh interpreter for each step and each worker takes ten seconds of imports per trial. Here they are taken once. A step is
still a process of its own, and so is its worker (`components.workers.isolation`): a crash or a kill for memory ends one of them.
The server has no threads when it forks, has opened no store, no corpus and no GPU, and runs no code of a step itself. Where
it cannot work, or has died, steps start as kfp starts them.
"""

import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from components.shared.trial import Trial

FIRST = ("kfp.dsl.executor_main", "tracking.studies")  # what the first steps need; they need not wait for the rest
REST = (
    "training.hygiene",
    "tracking.checkpoints",
    "ablation.stats.scoring",
    "ablation.stats.significance",
    "ablation.report.build",
)
TRAINING = (
    "torch._dynamo",  # 800 modules that the first step of any optimiser imports, in three seconds
    "training.loop",
    "training.evaluate",
    "components.workers.train",
    "components.workers.evaluate",
)
EARLY_STEPS = ("resolve_plan", "prepare_corpus", "find_finished")
QUIET_S = 0.7  # without a request, before we load ahead of need: an import holds up what comes in meanwhile
# No thread may run where a process forks: neither of numpy's BLAS, which is in no hot path, nor of Arrow's allocator.
SINGLE = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false", "_KFP_RUNTIME": "true"}
LARGEST_REQUEST = 64  # bytes; the request itself lies in a file

Run = Callable[..., int]


class ForkServer:
    """Context manager in the process that schedules steps. `run` stands in for kfp's `run_local_subprocess`."""

    def __init__(self, fallback: Run) -> None:
        self._fallback = fallback

    def __enter__(self) -> Self:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.local.forkserver", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=os.environ | SINGLE,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._control.close()  # which ends it
        self.process.wait()

    def run(self, full_command: Sequence[str], env_vars: Mapping[str, str] | None = None) -> int:
        """Run a step's command and print what it prints; its exit code. May be called from several threads at once."""
        step = _step_of(full_command)
        if step is None:
            return self._fallback(full_command, env_vars)
        request = {"step": step, "environment": dict(env_vars or {})}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(request, file)
            file.flush()
            if (pipes := self._ask(file.name)) is None:
                return self._fallback(full_command, env_vars)
            output, status = pipes
            with os.fdopen(output, errors="replace") as lines:
                for line in lines:
                    print(line, end="")
            with os.fdopen(status) as said:
                code = said.read()
        return int(code) if code else -signal.SIGKILL

    def _ask(self, request: str) -> tuple[int, int] | None:
        """The reading ends of a step's output and of its exit code; None where the server is gone."""
        output, status = os.pipe(), os.pipe()
        try:
            socket.send_fds(self._control, [request.encode()], [output[1], status[1]])
        except OSError:
            os.close(output[0])
            os.close(status[0])
            return None
        finally:
            os.close(output[1])
            os.close(status[1])
        return output[0], status[0]


def possible() -> bool:
    """Only Linux tells without a thread that a child has ended, and only there forking is safe with torch loaded."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def _step_of(command: Sequence[str]) -> list[str] | None:
    """The component's source and the executor's arguments, in the command of a lightweight component; None for another."""
    if len(command) < 4 or command[0] != "sh" or "kfp.dsl.executor_main" not in command[2]:
        return None
    return list(command[3:])


def _modules(step: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a step needs, and what is loaded while it runs.

    A study that is run again trains nothing, and should not wait for what trains; a corpus that is made leaves the time.
    """
    name = step[-1]
    trains = name == "train_trial" and not _done(step)
    needed = (*FIRST, *(() if name in EARLY_STEPS else REST), *(TRAINING if trains else ()))
    return needed, (*FIRST, *REST, *(TRAINING if name == "prepare_corpus" else ()))


def _done(step: Sequence[str]) -> bool:
    """Whether the trial that a step is to train is finished already."""
    given = json.loads(step[step.index("--executor_input") + 1])
    return Trial.from_json(given["inputs"]["parameterValues"]["trial"]).done


class _Server:
    """The forking side: one thread, one loop."""

    def __init__(self, control: socket.socket) -> None:
        self.control, self.waiting, self.loaded = control, selectors.DefaultSelector(), set[str]()
        self.ahead: tuple[str, ...] = FIRST  # what there is time to load now, while nobody asks
        self.waiting.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until nobody can ask any more."""
        quiet = True
        while True:
            missing = self._missing(self.ahead)
            ready = self.waiting.select((0 if quiet else QUIET_S) if missing else None)
            quiet = not ready
            if not ready:
                self._load(missing[0])
            for key, _ in ready:
                if key.fileobj is not self.control:
                    self._ended(key)
                elif not self._asked():
                    return

    def _missing(self, modules: Sequence[str]) -> list[str]:
        return [module for module in modules if module not in self.loaded]

    def _load(self, *modules: str) -> None:
        """Import what steps will need; what cannot be imported is for the step to stumble over."""
        for module in modules:
            self.loaded.add(module)
            try:
                importlib.import_module(module)
            except Exception:
                traceback.print_exc()
        if not self._missing(self.ahead):
            gc.freeze()  # what is loaded stays; collecting it in every child would copy its pages

    def _asked(self) -> bool:
        place, (output, status), *_ = socket.recv_fds(self.control, 4096, 2) if self._open() else (b"", (-1, -1))
        if not place:
            return False
        request = json.loads(Path(place.decode()).read_text(encoding="utf-8"))
        needed, self.ahead = _modules(request["step"])
        self._load(*self._missing(needed))
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            self._become(request, output, status)
        os.close(output)
        self.waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, status))
        return True

    def _open(self) -> bool:
        return bool(self.control.recv(1, socket.MSG_PEEK))

    def _become(self, request: Mapping[str, object], output: int, status: int) -> None:
        """In the child: a step, and nothing of the server. Does not return."""
        from components.workers import isolation

        os.dup2(output, 1)
        os.dup2(output, 2)
        # Whoever waits for a step waits for the end of its pipe, which every process that has it open puts off.
        for end in (output, status, *self._held()):
            os.close(end)
        self.control.close()
        self.waiting.close()
        os.environ[isolation.FORK_WORKERS] = "1"
        os.environ.update(request["environment"])  # type: ignore[call-overload]
        isolation.run_and_leave(lambda: _execute(*request["step"]))  # type: ignore[misc]

    def _held(self) -> list[int]:
        """The files of the steps that run, which a child has got from the server and must not keep open."""
        return [end for key in self.waiting.get_map().values() if key.data for end in (key.fd, key.data[1])]

    def _ended(self, key: selectors.SelectorKey) -> None:
        pid, status = key.data
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.waiting.unregister(key.fileobj)
        os.close(key.fd)
        os.write(status, str(code).encode())
        os.close(status)


def _execute(source: str, *arguments: str) -> None:
    """What kfp's command does in a fresh interpreter."""
    from kfp.dsl.executor_main import executor_main

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ephemeral_component.py"
        path.write_text(source, encoding="utf-8")
        sys.argv = ["executor_main", "--component_module_path", str(path), *arguments]
        executor_main()


if __name__ == "__main__":
    _Server(socket.socket(fileno=int(sys.argv[1]))).serve()
