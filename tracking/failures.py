"""Sentences about errors of the store in the middle of a command, with what is safe and what to do; for disks see `common.disk`.

Imports no mlflow: the errors of its client, and of the connections below it, are known by their modules.
"""

from common.redact import redact
from tracking.probe import why_away

CLIENTS = ("mlflow", "requests", "urllib3", "sqlalchemy")
SAFE = "what was complete before is unchanged"


def sentence_of(error: BaseException) -> str | None:
    """Return an error as one sentence; None for an error of another kind, which is a fault of ours."""
    if type(error).__module__.partition(".")[0] not in CLIENTS:
        return None
    said = " ".join(redact(str(error)).partition("(Background")[0].split())
    if why := why_away(error):
        return f"MLflow no longer answers: {why}; {SAFE}: run the same command again when it does"
    return f"MLflow refused a request: {said[:300]}; {SAFE}: correct that, then run the same command again"
