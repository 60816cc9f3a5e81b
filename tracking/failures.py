"""Sentences about errors of a store in the middle of a command. Imports no mlflow: the errors are known by their modules."""

from common.redact import redact
from tracking.probe import why_away

CLIENTS = ("mlflow", "requests", "urllib3", "sqlalchemy")


def sentence_of(error: BaseException) -> str | None:
    """Return an error of MLflow's client, or of the connections below it, as one sentence; None for an error of another kind."""
    if type(error).__module__.partition(".")[0] not in CLIENTS:
        return None
    if why := why_away(error):
        return f"MLflow no longer answers: {why}; run the same command again when it does, what is stored is safe"
    said = " ".join(redact(str(error)).partition("(Background")[0].split())
    return f"MLflow refused a request: {said[:300]}; correct that, then run the same command again"
