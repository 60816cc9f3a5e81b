"""A step of the pipeline as a process: what kfp's command does, without the shell between, which would outlive its parent.

`python -m pipelines.local.step REQUEST` runs the step in a new interpreter; a fork calls `execute`.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.files import atomic_write
from common.parent_death import following
from common.redact import redact

RUN_FILE = "kfp-run"  # in the scratch folder: the id of the pipeline's run, which the study in MLflow has as a tag


def step_of(command: Sequence[str]) -> list[str] | None:
    """Return the source and the executor's arguments from the command of a lightweight component; None for another command."""
    if len(command) < 4 or command[0] != "sh" or "kfp.dsl.executor_main" not in command[2]:
        return None
    return list(command[3:])


def place_of(command: Sequence[str], root: Path) -> Path:
    """Return the folder of the step that has this command, relative to the scratch folder `root`."""
    return Path(os.path.relpath(Path(_given(command)["outputs"]["outputFile"]).parent, root))


def note_run(command: Sequence[str], root: Path) -> None:
    """Write the id of the pipeline's run to `root` before the step that opens the study, so that others can close the study."""
    given = _given(command)["inputs"].get("parameterValues") or {}
    if "run" in given:
        root.mkdir(parents=True, exist_ok=True)
        atomic_write(root / RUN_FILE, str(given["run"]))


def _given(command: Sequence[str]) -> dict[str, Any]:
    """Return the executor's input in the command of a step."""
    return json.loads(command[list(command).index("--executor_input") + 1])


def run_interpreter(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the step of this command in a new interpreter, print its output, and return its exit code as Popen does.

    Call this from a thread that lives as long as the step.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(step_of(command), file)
        file.flush()
        with subprocess.Popen(
            following([sys.executable, "-m", "pipelines.local.step", file.name]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **environment, "_KFP_RUNTIME": "true"},
        ) as process:
            for line in process.stdout or ():
                print(redact(line), end="")
    return process.returncode


def execute(source: str, *arguments: str) -> None:
    """Run kfp's executor on the source of a component."""
    from kfp.dsl.executor_main import executor_main

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ephemeral_component.py"
        path.write_text(source, encoding="utf-8")
        sys.argv = ["executor_main", "--component_module_path", str(path), *arguments]
        executor_main()


if __name__ == "__main__":
    execute(*json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
