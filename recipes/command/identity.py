"""Facts besides settings that decide the result of a command: its text, the content of its sources, versions of packages."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from common.checksums import sha256_of
from common.errors import UserError
from recipes.command.placeholders import filled
from recipes.command.spec import Spec

VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""
_SKIPPED = ("__pycache__",)


def commands_text(spec: Spec) -> dict[str, object]:
    """Return the parts of a recipe file, besides its parts and settings, that decide a result."""
    config = spec.config.set if spec.config else {}
    return {
        "train": spec.train,
        "transcribe": spec.transcribe,
        "hypotheses": spec.hypotheses.model_dump(),
        "environment": spec.environment,
        "config": config,
    }


def content(spec: Spec, folder: Path) -> str:
    """Return a hash of names and content of all sources and of the base config. Caches and hidden files do not count."""
    given = [*spec.sources, *([spec.config.base] if spec.config else [])]
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
