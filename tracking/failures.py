"""Sentences about errors in the middle of a command: of the store, and of a disk. Each says what is safe and what to do.

Imports no mlflow: the errors of its client, and of the connections below it, are known by their modules.
"""

import errno

from common.redact import redact
from tracking.probe import why_away

CLIENTS = ("mlflow", "requests", "urllib3", "sqlalchemy")
FULL = (errno.ENOSPC, errno.EDQUOT)
UNWRITABLE = (errno.EROFS, errno.EACCES)
SAFE = "what was complete before is unchanged"


def sentence_of(error: BaseException) -> str | None:
    """Return an error as one sentence; None for an error of another kind, which is a fault of ours."""
    if isinstance(error, OSError) and error.errno in (*FULL, *UNWRITABLE):
        return _of_a_disk(error)
    if type(error).__module__.partition(".")[0] not in CLIENTS:
        return None
    said = " ".join(redact(str(error)).partition("(Background")[0].split())
    if "disk is full" in said or "No space left" in said:
        return f"the disk of MLflow's store is full; {SAFE}: free some space, then run the same command again"
    if why := why_away(error):
        return f"MLflow no longer answers: {why}; {SAFE}: run the same command again when it does"
    return f"MLflow refused a request: {said[:300]}; {SAFE}: correct that, then run the same command again"


def _of_a_disk(error: OSError) -> str:
    remedy = "free some space" if error.errno in FULL else "make it writable, or choose another place"
    place = f"{error.filename} cannot be used" if error.filename else "a file cannot be used"
    return f"{place}: {error.strerror}; {SAFE}: {remedy}, then run the same command again"
