"""Users as pods have them: without a name, without a home, with a read-only root. With real processes, which root can start."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.user_environment import ensure_user_environment

ROOT = Path(__file__).parents[2]
# What training imports of torch: any optimiser imports torch._dynamo, which asks for the user's name.
WORKER = """
import sys
def work(request):
    import torch, matplotlib.font_manager
    weights = torch.ones(2, requires_grad=True)
    torch.optim.AdamW([weights])
    print("trained", flush=True)
if __name__ == "__main__":
    if "bare" in sys.argv:
        work({})
    else:
        from components.workers.isolation import run_worker
        run_worker(work)
"""
NOBODY = ["setpriv", "--reuid=4242", "--regid=0", "--clear-groups"]
READ_ONLY = ["unshare", "-m", "sh", "-c", 'mount -o remount,bind,ro / && exec "$@"', "sh"]


def needs(*programs: str) -> None:
    if os.getuid() != 0 or not all(map(shutil.which, programs)):
        pytest.skip(f"another user needs root, and {' and '.join(programs)}")


def run(prefix: list[str], worker: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [*prefix, sys.executable, str(worker), str(worker.parent / "request.json"), *arguments]
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd="/", env=known | environment, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.fixture
def worker() -> Iterator[Path]:
    """A worker that every user can read; pytest's own folders are private."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "request.json").write_text("{}")
        (Path(folder) / "worker.py").write_text(WORKER)
        yield Path(folder) / "worker.py"


def can_start(prefix: list[str]) -> None:
    done = subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        pytest.skip(f"this machine does not let another user run Python, or a root be read-only: {done.stderr.strip()}")


@pytest.mark.slow
def test_a_user_without_an_entry_in_passwd_trains(worker: Path) -> None:
    needs("setpriv")
    can_start(NOBODY)
    bare = run(NOBODY, worker, "bare")
    assert (bare.returncode, bare.stdout) == (1, "")  # the need for it
    assert re.search(r"getpwuid\(\): uid not found: 4242|Could not determine home directory", bare.stderr)
    done = run(NOBODY, worker)
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    shutil.rmtree("/tmp/ablate-4242", ignore_errors=True)


@pytest.mark.slow
def test_a_read_only_root_with_a_home_that_cannot_be_written_trains(worker: Path) -> None:
    needs("setpriv", "unshare", "mount")
    can_start(READ_ONLY + NOBODY)
    done = run(READ_ONLY + NOBODY, worker, HOME="/")
    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    shutil.rmtree("/dev/shm/ablate-4242", ignore_errors=True)


def test_an_environment_that_works_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    before = dict(os.environ)
    ensure_user_environment()
    assert dict(os.environ) == before
