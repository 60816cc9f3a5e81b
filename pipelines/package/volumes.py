"""Volumes of a cluster for the steps: claims, where they are mounted, and the folders of the service on them."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field, model_validator

from pipelines.package.fields import Line, Strict, refusing

# Folders of the image and of KFP's launcher in every pod. A volume over one of them, or inside it, breaks the step.
TAKEN = {
    "/opt/ablate": "the code of the image",
    "/tmp": "temporary files of the step and of KFP",
    "/dev": "devices and shared memory",
    "/proc": "the kernel",
    "/sys": "the kernel",
    "/etc": "the system of the image",
    "/usr": "the system of the image",
    "/bin": "the system of the image",
    "/sbin": "the system of the image",
    "/lib": "the system of the image",
    "/lib64": "the system of the image",
    "/run": "credentials of the pod",
    "/var/run": "credentials of the pod",
    "/kfp-launcher": "KFP's launcher",
    "/kfp": "KFP's launcher",
    "/kfp-workspace": "KFP's launcher",
    "/gcs": "artifacts of KFP",
    "/s3": "artifacts of KFP",
    "/minio": "artifacts of KFP",
    "/.local": "KFP's launcher",
    "/.cache": "KFP's launcher",
    "/.config": "KFP's launcher",
}
# KFP gives the volume in the pod the name of the claim, next to these.
VOLUMES_OF_KFP = {
    *("kfp-launcher", "kfp-workspace", "ca-bundle", "custom-ca", "shm", "var-run-argo", "tmp-dir-argo"),
    *(f"{name}-scratch" for name in ("gcs", "s3", "minio", "dot-local", "dot-cache", "dot-config")),
}


def _claim_fault(name: str) -> str | None:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", name):
        return (
            "a claim gives its name to a volume of the pod: at most 63 lower-case letters, digits and hyphens, no dots"
        )
    if name in VOLUMES_OF_KFP:
        return f"every pod of KFP has a volume {name} already; give the claim another name"
    return None


def _folder_fault(path: str) -> str | None:
    if not path.startswith("/") or path.startswith("//") or str(PurePosixPath(path)) != path or ".." in path.split("/"):
        return "a folder in a pod is an absolute path without `..`, `//` or a slash at its end, such as /data"
    if ":" in path:
        return "a mounted folder has no colon; give another path"
    return None


def _mount_fault(path: str) -> str | None:
    for folder, what in TAKEN.items():
        if lies_on(path, folder) or lies_on(folder, path):
            return f"a volume cannot cover {folder}, {what}; mount it elsewhere, such as /data"
    return None


Folder = Annotated[Line, refusing(_folder_fault)]


class Volume(Strict):
    """A PersistentVolumeClaim of the namespace of the runs, mounted into every step.

    `read_only` says that the claim cannot be written. KFP has no read-only mounts, so it protects nothing.
    """

    claim: Annotated[str, refusing(_claim_fault)]
    mount_path: Annotated[Folder, refusing(_mount_fault)]
    read_only: bool = False


class Roots(Strict):
    """Volumes, and the folders of the service that lie on them. `Cluster` adds the other settings."""

    volumes: list[Volume] = Field([])
    corpora_root: Folder | None = None
    state_root: Folder | None = None

    @model_validator(mode="after")
    def _each_volume_once(self) -> "Roots":
        for what, each in (
            ("claim", [one.claim for one in self.volumes]),
            ("path", [one.mount_path for one in self.volumes]),
        ):
            for name in each:
                if each.count(name) > 1:
                    raise ValueError(
                        f"volumes: the {what} {name} occurs {each.count(name)} times; mount each volume once"
                    )
        return self

    @model_validator(mode="after")
    def _roots_are_on_volumes(self) -> "Roots":
        for key in ("corpora_root", "state_root"):
            root = getattr(self, key)
            if root is None:
                continue
            volume = volume_of(root, self.volumes)
            if volume is None:
                raise ValueError(
                    f"{key} {root} is on no volume, so each pod would have an empty one of its own; add a volume whose "
                    "mount_path contains it"
                )
            if volume.read_only and key == "state_root":
                raise ValueError(
                    f"state_root {root} is on the read-only claim {volume.claim}; use one that can be written"
                )
        return self


def lies_on(path: str, folder: str) -> bool:
    """Return True if a path is a folder or is inside it."""
    return PurePosixPath(path).is_relative_to(folder)


def volume_of(path: str, volumes: Sequence[Volume]) -> Volume | None:
    """Return the volume on which a path lies, the innermost one; None if it lies on none."""
    around = [volume for volume in volumes if lies_on(path, volume.mount_path)]
    return max(around, key=lambda volume: len(volume.mount_path), default=None)
