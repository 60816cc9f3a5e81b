"""A pod: one process tree with its own root, its own processes, and the environment of a container."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from emulator.memory import Limit
from emulator.pod_init import NOT_MADE

PROJECT = Path(__file__).parents[3]
HOME = "/home/ablate"
USER = 10001  # the only user in the image besides root
PASSWD = f"root:x:0:0:root:/root:/bin/sh\nablate:x:{USER}:{USER}::{HOME}:/bin/sh\n"
EMPTY = ("/minio", "/s3", "/gcs", "/.local", "/.cache", "/.config", "/tmp", "/kfp-launcher")  # emptyDirs of every pod
SHM_BYTES = 64 << 20


def needs() -> str | None:
    """Return why this machine cannot run pods, or None if it can."""
    if os.geteuid() != 0:
        return "pods have their own root and users, which takes root"
    if not shutil.which("unshare"):
        return "pods are made by unshare, which is missing"
    probe = subprocess.run(["unshare", "-m", "-p", "-f", "true"], capture_output=True, text=True)
    return f"unshare: {probe.stderr.strip()}" if probe.returncode else None


def image_environment() -> dict[str, str]:
    """Return the variables that docker/Dockerfile sets, and a PATH with the programs of this environment first."""
    text = (PROJECT / "docker" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    words = [word for line in text.splitlines() if line.startswith("ENV ") for word in line.split()[1:]]
    found = dict(match.groups() for word in words if (match := re.fullmatch(r"(\w+)=(.*)", word)))
    return found | {"PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin"}


@dataclass
class Pod:
    """A pod in a folder of its own. `volumes` are mounted: path in the pod -> folder here and whether it is read-only."""

    folder: Path
    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    user: int = USER
    read_only: bool = False
    volumes: Mapping[str, tuple[Path, bool]] = field(default_factory=dict)
    shm_bytes: int = SHM_BYTES
    limit: Limit | None = None
    reason: str = ""
    to_tell: bool = False
    process: "subprocess.Popen[bytes] | None" = None

    def prepare(self) -> None:
        """Make the folders of the pod. Files that it shall find go to `host(path)` after that."""
        for path in (*EMPTY, HOME):
            self.host(path).mkdir(parents=True)
        (self.folder / "passwd").write_text(PASSWD)
        (self.folder / "root").mkdir()

    def host(self, path: str) -> Path:
        """Return the place here of a path in the pod."""
        for mounted in sorted(self.volumes, key=len, reverse=True):
            if path == mounted or path.startswith(f"{mounted}/"):
                return self.volumes[mounted][0] / path[len(mounted) :].lstrip("/")
        return self.folder / "scratch" / path.lstrip("/")

    def followed(self, place: Path) -> Path:
        """Return the place here that a file means, if it is a link within the pod."""
        for _ in range(8):
            if not place.is_symlink():
                break
            target = place.readlink()
            place = self.host(str(target)) if target.is_absolute() else place.parent / target
        return place

    def start(self) -> None:
        """Start the command as the pod's user, who owns all files of the pod."""
        for path in EMPTY:
            self._own(self.host(path))
        self.host("/tmp").chmod(0o1777)
        os.chown(self.host(HOME), USER, USER)
        told = {
            "root": str(self.folder / "root"),
            **{name: str(self.folder / name) for name in ("result", "ready", "log")},
            "groups": self.limit.procs if self.limit else [],
            "mounts": self._mounts(),
            "read_only": self.read_only,
            "folder": HOME,
            "user": self.user,
            "argv": list(self.argv),
            "env": self._environment(),
        }
        (self.folder / "pod.json").write_text(json.dumps(told))
        apart = ["unshare", "-m", "-p", "-f", "--kill-child", "--propagation", "private"]
        init = [sys.executable, "-I", "-S", str(Path(__file__).with_name("pod_init.py")), str(self.folder / "pod.json")]
        with (self.folder / "init.log").open("wb") as log:
            self.process = subprocess.Popen(
                [*apart, *init], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={}, start_new_session=True
            )

    def poll(self) -> int | None:
        """Return the exit code of the pod's container, None while it runs. Enforces the memory limit."""
        assert self.process is not None
        self._tell()
        if self.limit and not self.reason and self.limit.exceeded(self.pids() if self.limit.kind == "watched" else []):
            self.kill("OOMKilled")
        code = self.process.poll()
        if code is None:
            return None
        if code == NOT_MADE:
            raise RuntimeError(
                f"the root of the pod {self.name} cannot be made: {(self.folder / 'init.log').read_text()}"
            )
        if self.limit:
            self.reason = self.reason or ("OOMKilled" if self.limit.exceeded([]) else "")
            self.limit.close()
            self.limit = None
        if self.reason in {"OOMKilled", "SIGKILL"}:
            return 137
        return 128 - code if code < 0 else code

    def kill(self, reason: str) -> None:
        """Kill all processes at once, if there are any."""
        self.reason = self.reason or reason
        if self.process is None or self.process.poll() is not None:
            return
        for pid in self.pids()[:1] or [self.process.pid]:
            os.kill(pid, signal.SIGKILL)

    def terminate(self, reason: str) -> None:
        """Send SIGTERM as the kubelet does, once the pod's first process can forward it."""
        self.reason, self.to_tell = self.reason or reason, True
        self._tell()

    def _tell(self) -> None:
        ready = self.folder / "ready"
        if self.to_tell and ready.exists() and ready.stat().st_size:
            self.to_tell = False
            for pid in self.pids()[:1]:
                os.kill(pid, signal.SIGTERM)

    def pids(self) -> list[int]:
        """Return the pod's processes, the first one first."""
        assert self.process is not None
        found: list[int] = []
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop(0)
            try:
                tasks = Path(f"/proc/{pid}/task").glob("*/children")
                waiting += [int(word) for task in tasks for word in task.read_text().split()]
            except OSError:
                continue
            found.append(pid)
        return found[1:]

    def log(self) -> str:
        """Return what the command has written so far."""
        path = self.folder / "log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def command_code(self) -> int | None:
        """Return the exit code of the step's command; negative for a signal, None if its launcher did not see its end."""
        path = self.folder / "result"
        text = path.read_text() if path.exists() else ""
        return int(text) if text else None

    def clean(self) -> None:
        """Delete the files of the pod but its log."""
        shutil.rmtree(self.folder / "scratch", ignore_errors=True)

    def _environment(self) -> dict[str, str]:
        cluster = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
        own = {"HOSTNAME": self.name, "KFP_POD_NAME": self.name, "KFP_POD_UID": f"uid-{self.name}"}
        return image_environment() | cluster | own | dict(self.environment)

    def _mounts(self) -> list[list[str]]:
        mounts = [self._system(name) for name in ("bin", "sbin", "lib", "lib64") if Path("/", name).exists()]
        mounts += [["bind", f"/{name}", f"/{name}", "ro"] for name in ("usr", "etc", "sys")]
        mounts += [["bind", str(self.folder / "passwd"), "/etc/passwd", "ro"], ["bind", "/dev", "/dev", ""]]
        mounts += [["proc", "", "/proc", ""], ["tmpfs", "", "/dev/shm", f"size={self.shm_bytes},mode=1777"]]
        mounts += [["bind", str(self.host(path)), path, ""] for path in (*EMPTY, *([] if self.read_only else [HOME]))]
        if self.read_only:
            mounts.append(["tmpfs", "", HOME, "size=4k,mode=555"])
        image = {str(Path(path).resolve()) for path in (sys.base_prefix, sys.prefix, PROJECT)}
        mounts += [["bind", path, path, "ro"] for path in sorted(image) if not path.startswith("/usr/")]
        mounts += self.limit.mounts if self.limit else []
        return mounts + [
            ["bind", str(place), path, "ro" if read_only else ""] for path, (place, read_only) in self.volumes.items()
        ]

    @staticmethod
    def _system(name: str) -> list[str]:
        path = Path("/", name)
        return (
            ["link", str(path.readlink()), f"/{name}", ""]
            if path.is_symlink()
            else ["bind", str(path), str(path), "ro"]
        )

    def _own(self, place: Path) -> None:
        for path in (place, *place.rglob("*")):
            os.chown(path, self.user, self.user, follow_symlinks=False)
