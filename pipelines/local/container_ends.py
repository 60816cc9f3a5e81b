"""The end of the containers of a run. Docker starts containers, so no signal reaches them together with the processes of the run.

`python -m pipelines.local.container_ends SCRATCH` waits until its standard input is closed and then removes the containers of the
run in SCRATCH. It imports little, so that it is ready before the first container.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from docker.client import DockerClient
from docker.errors import DockerException, NotFound

LABEL = "ablate.scratch"
LATE_S = 2.0  # a container that Docker was just starting when its run ended appears within this time


def remove_containers(scratch: Path) -> None:
    """Remove all containers of the run in `scratch`. Raises DockerException if Docker does not answer."""
    with closing(DockerClient.from_env()) as client:
        for container in client.containers.list(all=True, filters={"label": f"{LABEL}={scratch}"}):
            with suppress(NotFound):  # its step removes it, too
                container.remove(force=True)


@contextmanager
def removed_with_us(scratch: Path) -> Iterator[None]:
    """Let another process remove the containers of the run in `scratch` when this process ends, in whatever way."""
    command = [sys.executable, "-m", "pipelines.local.container_ends", str(scratch)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        yield
        process.communicate(b"nothing is left")


def _main(scratch: Path) -> None:
    if sys.stdin.read():
        return
    deadline = time.monotonic() + LATE_S
    while time.monotonic() < deadline:
        with suppress(DockerException):
            remove_containers(scratch)
        time.sleep(LATE_S / 10)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
