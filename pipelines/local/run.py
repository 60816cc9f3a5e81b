"""The pipeline under `kfp.local`: the same definition as on a cluster, with each step as a process or a container here.

Run as `python -m pipelines.local.run REQUEST` in a session of its own (see `study.py`), with its output in a file.
"""

import contextlib
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kfp import local
from kfp.local import logging_utils, subprocess_task_handler

from pipelines.ablation_pipeline import ablation_pipeline
from pipelines.local import forkserver


def run_local(
    pipeline_root: Path, arguments: dict[str, Any], *, containers: bool = False, folders: Sequence[str] = ()
) -> None:
    """Run the pipeline on this machine; its steps leave their outputs under `pipeline_root`. Raises RuntimeError.

    Steps are processes, or containers of ABLATE_IMAGE that may read `folders`. Trials run two at a time. No
    workspace_root is passed: kfp deletes it at the end, whatever it holds.
    """
    _quiet_logging()
    if containers:
        from pipelines.local.containers import container_runner

        local.init(container_runner(pipeline_root, folders), pipeline_root=str(pipeline_root))
        ablation_pipeline(**arguments)
    else:
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(pipeline_root))
        with _quick_steps():
            ablation_pipeline(**arguments)


@contextlib.contextmanager
def _quick_steps() -> Iterator[None]:
    """Steps are forked by a process that has loaded what they need; kfp starts a fresh interpreter for each."""
    if not forkserver.possible():
        yield
        return
    original = subprocess_task_handler.run_local_subprocess
    with forkserver.ForkServer(original) as server:
        subprocess_task_handler.run_local_subprocess = server.run
        try:
            yield
        finally:
            subprocess_task_handler.run_local_subprocess = original


def _quiet_logging() -> None:
    """Log once per line. kfp's own context managers do not nest over threads.

    Two trials at a time enter and leave them in any order, so that `print` gets wrapped ever deeper and log handlers
    pile up: 815 MB of log at 200 trials. These stand in for the two; `_quick_steps` replaces one more function of kfp,
    and `containers.py` another.
    """
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")

    @contextlib.contextmanager
    def as_it_is(*_: object, **__: object) -> Iterator[None]:
        yield

    logging_utils.local_logger_context = as_it_is
    logging_utils.indented_print = as_it_is


def main() -> None:
    """Read the request and run; exit code 1 if a step failed."""
    request = json.loads(Path(sys.argv[1]).read_text())
    try:
        run_local(Path(request.pop("pipeline_root")), request.pop("arguments"), **request)
    except RuntimeError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
