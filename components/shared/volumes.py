"""The folders on volumes that a run is given: checked before a step works for hours and then cannot write."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from common.errors import UserError


def check_writable(path: Path, name: str) -> None:
    """Check that a step can write to the folder that the input `name` gives; create the folder if it is missing.

    Raises UserError with the reason: a file in its place, a read-only file system, no permission, a full disk or quota.
    """
    made = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not shutil.disk_usage(path).free:
            raise OSError(28, "No space left on device")
        with tempfile.NamedTemporaryFile(dir=path, prefix=".ablate-check-") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        for folder in made:  # what this check made and could not use
            with suppress(OSError):
                folder.rmdir()
        reason = "a file is there" if isinstance(error, FileExistsError) else error.strerror or str(error)
        raise UserError(
            f"`{name}` is a folder that the steps can write to; {path} is not, for user {os.getuid()} ({reason}): mount a "
            f"volume there that this user can write to and that has free space, or correct `{name}`"
        ) from error
