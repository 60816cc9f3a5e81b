"""A real GitHub runner (`act`, without Docker) in a checkout of its own. The actions of GitHub are replaced by local ones."""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.executable)
ACT = PYTHON.with_name("act")
IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")


def commit(repository: Path) -> None:
    """Commit all files of a folder, and make it a repository if it is none."""
    for command in (
        ["init", "--quiet", "-b", "main"],
        ["add", "--all"],
        [*IDENTITY, "commit", "--quiet", "-m", "files"],
    ):
        subprocess.run(["git", *command], cwd=repository, check=True, capture_output=True)


def action(place: Path, inputs: Sequence[str], script: str) -> Path:
    """Write an action of one shell script as a repository."""
    place.mkdir(parents=True)
    listed = "\n".join(f"  {name}:\n    description: an input" for name in inputs)
    steps = f"runs:\n  using: composite\n  steps:\n    - shell: bash\n      run: |\n{_indented(script)}"
    (place / "action.yml").write_text(f"name: stand-in\ndescription: for tests\ninputs:\n{listed}\n{steps}\n")
    commit(place)
    return place


def _indented(script: str) -> str:
    return "\n".join(f"        {line}" for line in script.splitlines())


def command_file(name: str, command: str) -> str:
    """Return a script that writes an executable file into the environment that `make setup` would build."""
    return f"printf '%s\\n' '#!/bin/sh' {shlex.quote(command)} > .venv/bin/{name}; chmod +x .venv/bin/{name}"


def environment_script() -> str:
    """Return the script that stands in for `actions/setup-python` and the slow `make setup`: this test's environment.

    `make lint` of the workflow finds nothing: the linters take minutes in a new checkout, and the project runs them itself.
    """
    lines = [
        "mkdir -p .venv/bin",
        command_file("ablate", f'PYTHONPATH="$PWD" exec {PYTHON} -m cli.main "$@"'),
        command_file("ruff", "exec true"),
        command_file("mypy", "exec true"),
        "touch .venv/.ready",
    ]
    return "\n".join(lines)


@dataclass
class Runner:
    """A checkout and the runner for it. `artifacts` receives what the jobs upload."""

    checkout: Path
    place: Path

    @classmethod
    def of(cls, place: Path, files: Mapping[str, str]) -> "Runner":
        """Copy the files of this checkout, replace some, and commit them."""
        checkout = place / "checkout"
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (checkout / name).parent.mkdir(parents=True, exist_ok=True)
                (checkout / name).write_bytes((ROOT / name).read_bytes())
                (checkout / name).chmod((ROOT / name).stat().st_mode)
        runner = cls(checkout, place)
        runner.push(files)
        return runner

    @property
    def artifacts(self) -> Path:
        """The folder of uploaded files."""
        return self.place / "artifacts"

    def push(self, files: Mapping[str, str]) -> None:
        """Commit changed files."""
        for name, text in files.items():
            (self.checkout / name).write_text(text, encoding="utf-8")
        commit(self.checkout)

    def start(
        self,
        event: str,
        variables: Mapping[str, str],
        secrets: Mapping[str, str],
        inputs: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run the workflow for an event, as GitHub does. Return its exit code and log."""
        given = [f"--var={name}={value}" for name, value in variables.items()]
        given += [f"--secret={name}={value}" for name, value in secrets.items()]
        given += [f"--input={name}={value}" for name, value in (inputs or {}).items()]
        given += [f"--local-repository={name}={place}" for name, place in self._actions().items()]
        options = ["-P", "ubuntu-latest=-self-hosted", "--no-cache-server", f"--action-cache-path={self.place}/cache"]
        return subprocess.run(
            [str(ACT), event, "--workflows", ".github/workflows/ablation.yml", *options, *given],
            cwd=self.checkout,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )

    def _environment(self) -> dict[str, str]:
        """Return the environment without the variables that the workflow must set itself."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KF_", "MLFLOW_", "ABLATE_"))}
        return kept | {"HOME": str(self.place / "home"), "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}

    def _actions(self) -> dict[str, Path]:
        """Return repository and version -> folder, for the actions of the workflow."""
        place, stored = self.place / "actions", self.artifacts
        if not place.is_dir():
            (self.place / "home").mkdir()
            stored.mkdir()
            action(place / "checkout", ["persist-credentials", "fetch-depth"], "git rev-parse HEAD")
            action(place / "python", ["python-version"], environment_script())
            path = "'${{ inputs.path }}'"
            upload = f"if [ -e {path} ]; then cp {path} {shlex.quote(str(stored))}/; fi"
            action(place / "upload", ["name", "path"], upload)
        return {
            "actions/checkout@v4": place / "checkout",
            "actions/setup-python@v5": place / "python",
            "actions/upload-artifact@v4": place / "upload",
        }
