"""Steps of a local run without their start-up: forks of a process that has imported torch, MLflow and kfp.

A new interpreter spends ten seconds on imports for every step and every worker. The fork server of `multiprocessing` imports
`preloaded` once. A step is still its own process, and so is its worker (`components.workers.isolation`): a crash or a kill for
lack of memory ends one of them. The server has no threads, has opened no store, corpus or GPU, and runs no code of a step. One
that has died is started again for the next step.

A fork server of our own took its place until it was measured: it imported what trains only while the corpus was prepared. It
was not faster. CPU seconds of `ablate run plans/smoke.yaml` on a busy machine: 43.6, 47.0 and 47.8 with the server of
`multiprocessing`, 45.3 and 53.2 with ours; of a rerun that trains nothing 30.1 and 38.9, and 29.9.
"""

import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import connection, forkserver
from pathlib import Path
from typing import NoReturn

from components.workers.isolation import FORK_WORKERS, run_and_leave

PRELOADED = "pipelines.local.preloaded"

_CONTEXT = multiprocessing.get_context("forkserver")
# Starting a process also collects ended ones. Two threads that read one exit code would make the second read 255.
_COLLECTING = threading.Lock()


def possible() -> bool:
    """Return whether steps can be forked. Only on Linux a process can fork safely after it has imported torch."""
    return sys.platform == "linux"


def start() -> None:
    """Start the server, which imports modules while this process continues. It ends when this process does."""
    _CONTEXT.set_forkserver_preload([PRELOADED])
    forkserver.ensure_running()


def run(full_command: Sequence[str], env_vars: Mapping[str, str] | None = None) -> int | None:
    """Run the command of a step, print its output, and return its exit code, or minus the number of the signal that ended it.

    Return None without running anything if the command is not that of a lightweight component, or if the server cannot start
    a process. Several threads may call this at the same time.
    """
    step = _step_of(full_command)
    if step is None:
        return None
    reader, writer = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=_become, args=(writer, step, dict(env_vars or {})))
    try:
        with writer, _COLLECTING:
            process.start()
    except (OSError, EOFError):
        reader.close()
        return None
    with reader, os.fdopen(os.dup(reader.fileno()), errors="replace") as lines:
        for line in lines:
            print(line, end="")
    connection.wait([process.sentinel])
    with _COLLECTING:
        process.join()
    return process.exitcode


def _step_of(command: Sequence[str]) -> list[str] | None:
    """Return the source and the executor's arguments from the command of a lightweight component; None for another command."""
    if len(command) < 4 or command[0] != "sh" or "kfp.dsl.executor_main" not in command[2]:
        return None
    return list(command[3:])


def _become(output: "connection.Connection", step: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Turn a forked process into a step that prints into `output`."""
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    output.close()
    os.environ.update({**environment, FORK_WORKERS: "1"})
    run_and_leave(lambda: _execute(*step))


def _execute(source: str, *arguments: str) -> None:
    """Do what kfp's command does in a new interpreter."""
    from kfp.dsl.executor_main import executor_main

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ephemeral_component.py"
        path.write_text(source, encoding="utf-8")
        sys.argv = ["executor_main", "--component_module_path", str(path), *arguments]
        executor_main()
