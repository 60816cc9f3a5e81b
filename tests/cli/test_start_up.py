"""Commands answer at once: none imports what takes seconds before it is used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLOW = ("av", "kfp", "matplotlib", "mlflow", "pandas", "pyarrow", "scipy.stats", "torch", "torchaudio")
LOADED = """
import atexit, json, sys
atexit.register(lambda: print(json.dumps(list(sys.modules)), file=sys.stderr))
from cli.entry import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "more"),
    [
        (("--help",), ("numpy", "scipy")),
        (("--version",), ("numpy", "scipy")),
        (("list",), ("numpy", "scipy")),
        (("parts",), ("numpy", "scipy")),
        (("plan", "plans/smile.yaml"), ()),
        (("plan", "plans/looks.yaml"), ()),
    ],
    ids=" ".join,
)
def test_commands_import_only_what_they_use(tmp_path: Path, arguments: tuple[str, ...], more: tuple[str, ...]) -> None:
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'none.db'}"}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        cwd=ROOT,
        env={**os.environ, **store},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stderr.splitlines()[-1])
    assert "typer" in loaded
    assert {*SLOW, *more}.isdisjoint(loaded)
