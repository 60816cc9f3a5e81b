"""The pipeline under `kfp.local`: the same definition as on a cluster, with each step as a process or a container here."""

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kfp import local
from kfp.local import logging_utils, subprocess_task_handler
from kfp.local.orchestrator import enhanced_dag_orchestrator

from pipelines.ablation_pipeline import ablation_pipeline
from pipelines.local.deaths import surviving_kills
from pipelines.local.forkserver import ForkServer
from pipelines.local.placement import AT_ONCE, Groups
from pipelines.local.processes import ENDING
from pipelines.local.step import note_run, run_interpreter, step_of

ON_GPU = ("train_trials", "evaluate_trials")


def run_local(
    pipeline_root: Path,
    arguments: dict[str, Any],
    *,
    containers: bool = False,
    folders: Sequence[str] = (),
    server: ForkServer | None = None,
    at_once: int = AT_ONCE,
    groups: Sequence[Sequence[str]] = (),
) -> None:
    """Run the pipeline on this machine. Its steps leave their outputs under `pipeline_root`. Raises RuntimeError.

    Steps are forks of the `server`, new interpreters without one, or containers of ABLATE_IMAGE that may read `folders`.
    `at_once` trials run at a time, each on one of the `groups` of GPUs, if there are some. A step that is killed runs once more. No
    workspace_root is passed, because kfp deletes that folder at the end with all its content.
    """
    _log_each_line_once()
    _run_at_once(at_once)
    if containers:
        from pipelines.local.container_ends import removed_with_us
        from pipelines.local.containers import container_runner

        with removed_with_us(pipeline_root):
            local.init(container_runner(pipeline_root, folders), pipeline_root=str(pipeline_root))
            ablation_pipeline(**arguments)
    else:
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(pipeline_root))
        with _our_steps(pipeline_root, server, Groups(groups)):
            ablation_pipeline(**arguments)


@contextlib.contextmanager
def _our_steps(root: Path, server: ForkServer | None, groups: Groups | None = None) -> Iterator[None]:
    """Start steps in our ways in place of kfp's: they end with this process, and run again if they are killed.

    Steps that train or score hold one of the `groups` of GPUs until they have ended.
    """
    original = subprocess_task_handler.run_local_subprocess

    def run(full_command: list[str], env_vars: Mapping[str, str] | None = None) -> int:
        step = step_of(full_command)
        if step is None:
            return int(original(full_command, env_vars))
        note_run(full_command, root)
        with (groups if groups and step[-1] in ON_GPU else Groups()).held() as gpus:

            def once(more: Mapping[str, str]) -> int:
                return _run_step(full_command, {**(env_vars or {}), **gpus, **more}, server)

            return surviving_kills(once, full_command, root, ENDING.is_set)

    subprocess_task_handler.run_local_subprocess = run
    try:
        yield
    finally:
        subprocess_task_handler.run_local_subprocess = original


def _run_step(command: list[str], env_vars: Mapping[str, str], server: ForkServer | None) -> int:
    """Run a step as a fork of the server if it can, else as a new interpreter. Return its exit code when all of it has ended."""
    code = server.run(command, env_vars) if server else None
    return run_interpreter(command, env_vars) if code is None else code


def _run_at_once(turns: int) -> None:
    """Let the loop of the pipeline run `turns` turns at a time. kfp runs two at most, because loops may be nested."""

    class Turns(enhanced_dag_orchestrator.ParallelExecutor):
        def __init__(self, *_: object, **__: object) -> None:
            super().__init__()
            self.conservative_max = self.max_workers = turns

    enhanced_dag_orchestrator.ParallelExecutor = Turns


def _log_each_line_once() -> None:
    """Replace two context managers of kfp that do not work with threads.

    Several trials at a time enter and leave them in any order. `print` is then wrapped again and again and log handlers accumulate:
    815 MB of log at 200 trials. `_our_steps` and `_run_at_once` replace more of kfp, and `containers.py` another function.
    """
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    @contextlib.contextmanager
    def unchanged(*_: object, **__: object) -> Iterator[None]:
        yield

    logging_utils.local_logger_context = unchanged
    logging_utils.indented_print = unchanged
