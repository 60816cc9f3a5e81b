"""A stand-in for `nvidia-smi` on machines without a GPU: a program on the PATH that prints given cards as the real one does."""

import os
from pathlib import Path

import pytest


def install(folder: Path, patch: pytest.MonkeyPatch, *cards: tuple[str, str], code: int = 0) -> None:
    """Put the program on the PATH, with (uuid, MiB of memory) of each card; `code` is its exit code."""
    lines = "\n".join(f"{uuid}, {memory}" for uuid, memory in cards)
    folder.mkdir(exist_ok=True)
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\nexit {code}\n")
    program.chmod(0o755)
    patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
