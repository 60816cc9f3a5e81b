"""The pipeline's steps as containers of an image on this machine: what the image lacks shows here, not on a cluster.

Steps get the variables of SETTINGS, the scratch folder, and the folders of recordings that the plan names; nothing else
of this machine. They share its network, so that a server on `localhost` is one for them, too.
"""

import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from docker.client import DockerClient
from docker.errors import DockerException, ImageNotFound
from docker.types import Mount
from kfp import local
from kfp.local import docker_task_handler

from common.errors import UserError
from components.shared.image import STEP_IMAGE, default_image

LABEL = "ablate.scratch"
SETTINGS = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_RUN_ID",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
)


def check_image(image: str, tracking_uri: str) -> None:
    """Raises UserError if steps cannot run in `image`: no Docker, no such image, or no MLflow server for them."""
    if not tracking_uri.startswith(("http://", "https://")):
        remedy = "set MLFLOW_TRACKING_URI (docs/servers.md brings one up)"
        raise UserError(f"steps in containers need an MLflow server, and {tracking_uri} is a file; {remedy}")
    try:
        with closing(DockerClient.from_env()) as client:
            client.images.get(image)
    except ImageNotFound as error:
        remedy = "build it (docs/cluster.md says how) or pull it"
        raise UserError(f"there is no image {image} on this machine; {remedy}") from error
    except DockerException as error:
        raise UserError(f"no Docker daemon answers ({error}); start it, or leave out --image") from error


def with_digest(image: str) -> str:
    """An image of this machine by its name and its registry's digest, or its own id where it was never pushed."""
    with closing(DockerClient.from_env()) as client:
        found = client.images.get(image)
    name = image.partition("@")[0]
    digests = [str(digest).partition("@")[2] for digest in found.attrs.get("RepoDigests") or ()]
    return f"{name}@{digests[0]}" if digests else f"{name} (in no registry, id {found.id})"


def container_runner(scratch: Path, folders: Iterable[str]) -> local.DockerRunner:
    """kfp's runner for the steps of the run in `scratch`, which read `folders` under the names that they have here.

    When this process is told to end, it ends the containers.
    """
    signal.signal(signal.SIGTERM, lambda number, _: _leave(scratch, number))
    docker_task_handler.run_docker_container = run_container
    return local.DockerRunner(
        network_mode="host",
        working_dir=str(Path.cwd()),
        labels={LABEL: str(scratch)},
        mounts=[Mount(folder, folder, type="bind", read_only=True) for folder in folders],
        **_user(scratch),
    )


def _user(scratch: Path) -> dict[str, Any]:
    """Who steps are: whoever runs this, who can then remove what they left. Root's are the image's own user."""
    environment = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    environment[STEP_IMAGE] = with_digest(default_image())
    if os.getuid() == 0:
        scratch.chmod(0o777)
        return {"environment": environment}
    return {"environment": {**environment, "HOME": "/tmp"}, "user": f"{os.getuid()}:{os.getgid()}"}


def run_container(
    client: DockerClient, image: str, command: list[str], volumes: Mapping[str, Any], **arguments: Any
) -> int:
    """Run a container to its end, print what it says, and return its exit code.

    In place of kfp's own, which lets Docker remove the container at once, may then find no exit code to read, and takes
    that for success.
    """
    container = client.containers.run(image, command, volumes=dict(volumes), detach=True, **arguments)
    try:
        for text in container.logs(stream=True, follow=True):
            print(text.decode(errors="replace"), end="", flush=True)
        return int(container.wait()["StatusCode"])
    finally:
        container.remove(force=True)


def _leave(scratch: Path, number: int) -> NoReturn:
    """Remove what still runs of the run in `scratch`, and go before another thread starts more."""
    with closing(DockerClient.from_env()) as client:
        for container in client.containers.list(all=True, filters={"label": f"{LABEL}={scratch}"}):
            container.remove(force=True)
    os._exit(128 + number)
