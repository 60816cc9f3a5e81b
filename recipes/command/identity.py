"""Facts besides settings that decide the result of a command: its text, the content of its sources, versions of packages."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.checksums import sha256_of
from common.errors import UserError
from recipes.command.placeholders import filled
from recipes.command.spec import Spec, Stage

VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""
_SKIPPED = ("__pycache__",)


def text_of(spec: Spec, stage: Stage) -> dict[str, object]:
    """Return what a recipe file says of a stage, besides the changes of its parts and settings."""
    return {
        "words": getattr(spec, stage),
        "environment": spec.environment,
        "config": spec.config.set if spec.config else {},
    }


def content(given: Sequence[str], folder: Path) -> str:
    """Return a hash of names and content of files and folders. Caches and hidden files do not count."""
    sums = {name: sha256_of(path) for each in given for name, path in _files(folder / each, each)}
    return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()


def _files(path: Path, name: str) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield name, path
        return
    for inner in sorted(path.rglob("*")):
        steps = inner.relative_to(path).parts
        hidden = any(step.startswith(".") or step in _SKIPPED for step in steps) or inner.suffix == ".pyc"
        if inner.is_file() and not hidden:
            yield "/".join(steps), inner


def versions(spec: Spec, folder: Path) -> dict[str, str]:
    """Return the versions of `packages` in the interpreter that trains. Raises UserError."""
    if not spec.packages:
        return {}
    program = filled(spec.train[0], {"python": sys.executable})
    try:
        ended = subprocess.run(
            [program, "-c", VERSIONS, *spec.packages],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return json.loads(ended.stdout)
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        raise UserError(
            f"`packages` lists packages of the Python of `train` ({program}): {last}; correct the list"
        ) from error
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise UserError(
            f"`packages` needs a Python as the first word of `train`, and {program!r} did not say its versions; leave the key out"
        ) from error
