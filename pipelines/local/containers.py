"""The pipeline's steps as containers of an image on this machine. What the image lacks shows before it runs on a cluster.

Steps get the variables of SETTINGS, the scratch folder, and the folders of recordings that the plan names, and nothing else
of this machine. They share its network, so that they reach a server on `localhost`.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from docker.client import DockerClient
from docker.errors import DockerException, ImageNotFound, NotFound
from docker.types import Mount
from kfp import local
from kfp.local import docker_task_handler

from common.errors import UserError
from common.own_store import VARIABLES
from common.redact import redact
from components.shared.image import STEP_IMAGE, default_image
from components.shared.problem import PROBLEMS_FOLDER
from pipelines.local.container_ends import LABEL
from pipelines.local.deaths import surviving_kills
from pipelines.local.processes import ENDING
from pipelines.local.step import note_run
from tracking.local_copies import VARIABLE as LOCAL_COPIES

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
    *VARIABLES,
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    PROBLEMS_FOLDER,
    LOCAL_COPIES,
)


def check_image(image: str, tracking_uri: str) -> None:
    """Check that steps can run in `image`. Raises UserError without Docker, the image, or an MLflow server for the steps."""
    if not tracking_uri.startswith(("http://", "https://")):
        remedy = "set MLFLOW_TRACKING_URI (docs/servers.md says how to start a server)"
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
    """Return an image's name with the digest of its registry, or with the image's id if it was never pushed."""
    with closing(DockerClient.from_env()) as client:
        found = client.images.get(image)
    name = image.partition("@")[0]
    digests = [str(digest).partition("@")[2] for digest in found.attrs.get("RepoDigests") or ()]
    return f"{name}@{digests[0]}" if digests else f"{name} (in no registry, id {found.id})"


def container_runner(scratch: Path, folders: Iterable[str]) -> local.DockerRunner:
    """Return kfp's runner for the steps of the run in `scratch`. They can read `folders` under the same paths as here."""

    def run(client: DockerClient, image: str, command: list[str], volumes: Mapping[str, Any], **arguments: Any) -> int:
        note_run(command, scratch)

        def once(more: Mapping[str, str]) -> int:
            environment = {**arguments.get("environment", {}), **more}
            return run_container(client, image, command, volumes, **{**arguments, "environment": environment})

        return surviving_kills(once, command, scratch, ENDING.is_set)

    docker_task_handler.run_docker_container = run
    return local.DockerRunner(
        network_mode="host",
        working_dir=str(Path.cwd()),
        labels={LABEL: str(scratch)},
        mounts=[Mount(folder, folder, type="bind", read_only=True) for folder in folders],
        **_user(scratch),
    )


def _user(scratch: Path) -> dict[str, Any]:
    """Return the environment and the user of the steps.

    Steps run as the user of this process, who can then remove their files. If that is root, they run as the image's user.
    """
    environment = {name: os.environ[name] for name in SETTINGS if os.environ.get(name)}
    environment[STEP_IMAGE] = with_digest(default_image())
    if os.getuid() == 0:
        for folder in (scratch, *scratch.glob("*/")):
            folder.chmod(0o777)
        return {"environment": environment}
    return {"environment": {**environment, "HOME": "/tmp"}, "user": f"{os.getuid()}:{os.getgid()}"}


def run_container(
    client: DockerClient, image: str, command: list[str], volumes: Mapping[str, Any], **arguments: Any
) -> int:
    """Run a container until it ends, print its output, and return its exit code.

    This replaces kfp's function, which lets Docker remove the container at once. It then may not find the exit code, and reports
    a success.
    """
    container = client.containers.run(image, command, volumes=dict(volumes), detach=True, **arguments)
    try:
        for text in container.logs(stream=True, follow=True):
            print(redact(text.decode(errors="replace")), end="", flush=True)
        return int(container.wait()["StatusCode"])
    finally:
        with suppress(NotFound):
            container.remove(force=True)
