"""Text files that a user names: bounded, in UTF-8, and never a device or a pipe that is waited for."""

import os
import stat
from pathlib import Path

from common.errors import UserError

LONGEST_BYTES = 1_000_000


def read_text_file(path: Path, what: str, remedy: str) -> str:
    """Return the content of a plain file of at most 1 MB. Raises UserError in one sentence.

    `what` is the file's purpose ("plan"), `remedy` says what to give instead if there is no such file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe without a writer must not block
    except (OSError, ValueError) as error:
        raise UserError(_no_file(path, what, remedy, error)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UserError(f"no {what} file at {path}, which is not a plain file; {remedy}")
    with os.fdopen(descriptor, "rb") as file:
        try:
            data = file.read(LONGEST_BYTES + 1)
        except OSError as error:
            raise UserError(_no_file(path, what, remedy, error)) from error
    return decoded(data, str(path), what, remedy)


def decoded(data: bytes, name: str, what: str, remedy: str) -> str:
    """Return the text of a file that was read up to `LONGEST_BYTES` + 1. Raises UserError in one sentence."""
    if len(data) > LONGEST_BYTES:
        raise UserError(f"{name}: a {what} has at most {LONGEST_BYTES} bytes, and this file has more; {remedy}")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: a {what} is UTF-8 text, but byte {error.start} is not; save it as UTF-8") from error


def _no_file(path: Path, what: str, remedy: str, error: Exception) -> str:
    name = str(path) if len(str(path)) <= 200 else f"{str(path)[:200]}..."
    reason = error.strerror if isinstance(error, OSError) else str(error)
    missing = isinstance(error, FileNotFoundError)
    return (
        f"no {what} file at {name}; {remedy}" if missing else f"the {what} {name} cannot be read ({reason}); {remedy}"
    )
