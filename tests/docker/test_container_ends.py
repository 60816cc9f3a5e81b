"""The containers of a run end with the process that supervises them, also when that one is killed. Needs a Docker daemon."""

import io
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from docker.client import DockerClient

from pipelines.local.container_ends import LABEL

ROOT = Path(__file__).parents[2]
IMAGE = "ablate-sleep:test"
LATEST_S = 5.0
RUN = f"""
import sys, time
from pathlib import Path
from docker.client import DockerClient
from pipelines.local.container_ends import LABEL, removed_with_us
with removed_with_us(Path(sys.argv[1])):
    time.sleep(2)  # as long as a pipeline takes to start its first step
    client = DockerClient.from_env()
    client.containers.run("{IMAGE}", sys.argv[2:], detach=True, labels={{LABEL: sys.argv[1]}}, network_mode="none")
    print("started", flush=True)
    time.sleep(600)
"""


def sleep_image() -> bytes:
    """A file system with `sleep` of this machine and its libraries."""
    program = "/bin/sleep"
    found = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.split()
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", dereference=True) as archive:
        for path in {program, *(word for word in found if word.startswith("/"))}:
            archive.add(path)
    return content.getvalue()


@pytest.fixture
def docker() -> Iterator[DockerClient]:
    # Not by the client: where the daemon is dead, it leaves its socket open, and a later test gets the warning.
    if shutil.which("docker") is None or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("no Docker daemon answers")
    with closing(DockerClient.from_env()) as client:
        repository, tag = IMAGE.split(":")
        client.api.import_image_from_data(sleep_image(), repository=repository, tag=tag)
        yield client
        client.images.remove(IMAGE, force=True)


def test_containers_end_with_a_killed_run(docker: DockerClient, tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUN, str(tmp_path), "/bin/sleep", "600"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + LATEST_S
    while docker.containers.list(all=True, filters={"label": f"{LABEL}={tmp_path}"}):
        assert time.monotonic() < deadline
        time.sleep(0.1)
