"""The process of a local run, started as `python -m pipelines.local.run REQUEST` in its own session (see `study.py`).

It ends with the process that started it, and ends all others of the run with it. It starts the fork server before it imports kfp,
so that both import at the same time.
"""

import contextlib
import json
import sys
from pathlib import Path

from ablation.plan.plan import RECIPE
from common.start_up import collect_rarely
from pipelines.local.forkserver import ForkServer, possible
from pipelines.local.processes import lead_group


def main() -> None:
    """Read the request and run the pipeline. The exit code is 1 if a step failed."""
    collect_rarely()
    request = json.loads(Path(sys.argv[1]).read_text())
    root = Path(request.pop("pipeline_root"))
    lead_group((lambda: _remove_containers(root)) if request.get("containers") else lambda: None)
    plan = request["arguments"].get("plan") or {}  # the first step says what is wrong with the arguments
    recipe = str(plan.get("recipe", RECIPE))
    with contextlib.ExitStack() as stack:
        forks = possible() and not request.get("containers")
        server = stack.enter_context(ForkServer(recipe)) if forks else None
        from pipelines.local.kubeflow import run_local

        try:
            run_local(root, request.pop("arguments"), **request, server=server)
        except RuntimeError as error:
            raise SystemExit(str(error)) from error


def _remove_containers(root: Path) -> None:
    from pipelines.local.container_ends import remove_containers

    remove_containers(root)


if __name__ == "__main__":
    main()
