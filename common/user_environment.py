"""The user of a process as libraries expect one: with a name, a home and folders to write to. A pod may have none of them.

OpenShift and `runAsUser` start a process as a user without an entry in /etc/passwd, and a pod may have a read-only root. Then torch
(its name for the folder of compiled code), mlflow and matplotlib (their home) end with KeyError or RuntimeError at their import.
"""

import getpass
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from common.errors import UserError

# Folders that Kubeflow makes writable in every pod, also with a read-only root; /dev/shm counts as memory and comes last.
_WRITABLE = ("/.cache", "/.local", "/.config", "/dev/shm")
_CACHES = {
    "XDG_CACHE_HOME": "cache",
    "MPLCONFIGDIR": "matplotlib",
    "TORCHINDUCTOR_CACHE_DIR": "torchinductor",
    "TRITON_CACHE_DIR": "triton",
}


def ensure_user_environment() -> None:
    """Set what is missing of TMPDIR, USER, LOGNAME, HOME and the folders of caches, for this process and those it starts.

    Nothing that works is changed. A HOME that is a folder stays even if it is read-only, because settings may be mounted there;
    then only the caches go elsewhere.
    """
    _ensure_temporary_folder()
    if not _has_name():
        os.environ["USER"] = os.environ["LOGNAME"] = f"user-{os.getuid()}"
    own = Path(tempfile.gettempdir()) / f"ablate-{os.getuid()}"
    if not _has_home():
        os.environ["HOME"] = str(_made(own / "home"))
    if not os.access(Path.home(), os.W_OK):
        for variable, name in _CACHES.items():
            if not os.environ.get(variable):
                os.environ[variable] = str(_made(own / name))


def _ensure_temporary_folder() -> None:
    """Choose another temporary folder if Python finds none. Raises UserError without any."""
    with suppress(FileNotFoundError):
        tempfile.gettempdir()
        return
    for folder in _WRITABLE:
        if os.access(folder, os.W_OK | os.X_OK):
            os.environ["TMPDIR"] = tempfile.tempdir = folder
            return
    raise UserError(
        f"a step needs a folder for temporary files, and user {os.getuid()} can write to none of TMPDIR, /tmp and "
        f"{', '.join(_WRITABLE)}: mount an empty folder at /tmp"
    )


def _has_name() -> bool:
    try:
        return bool(getpass.getuser())
    except (KeyError, OSError):  # no entry in passwd; OSError from Python 3.13 on
        return False


def _has_home() -> bool:
    try:
        return Path.home().is_dir()
    except RuntimeError:
        return False


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
