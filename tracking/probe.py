"""A short question to an MLflow store: does it answer? The answer takes at most `PATIENCE_S` seconds. Imports no mlflow.

MLflow's own client waits for minutes, which is right for a trial that has a result to store, and wrong for a person. So this
module asks by itself. It leaves credentials and the version of the store to `tracking.store.check_store`.
"""

import os
import queue
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from common.errors import Unavailable, UserError
from common.http_answers import BUSY
from common.redact import redact
from common.store_address import PASSWORD, USERNAME, WEB, whole

PATIENCE_S = 8.0
TRY_S = 5.0  # a server under load needs seconds
PAUSES_S = (0.5, 1.0, 2.0)  # of a server that fails at once; one that fails 3 times of 10 is not away
SQLITE = "sqlite:///"
DATABASES = ("postgresql", "mysql", "mssql")
AGAIN = "start it or check the address, then run the same command again"
# Words in the errors of HTTP, TLS and database drivers -> what they mean. There is no common class, so this reads the text.
AWAY = {
    "certificate_verify_failed": "its certificate is not trusted",
    "certificate verify failed": "its certificate is not trusted",
    "sslerror": "it does not speak TLS as https needs it",
    "connection refused": "connection refused",
    "can't connect to": "connection refused",
    "failed to resolve": "no such host",
    "name or service not known": "no such host",
    "name resolution": "no such host",
    "could not translate host name": "no such host",
    "timed out": "no answer in time",
    "timeout": "no answer in time",
    "remotedisconnected": "it closed the connection",
    "closed the connection": "it closed the connection",
    "connection reset": "it closed the connection",
    "connection aborted": "it closed the connection",
    "lost connection": "it closed the connection",
    "no route to host": "no route to it",
    "network is unreachable": "no route to it",
    "starting up": "it is starting",
    "shutting down": "it is shutting down",
    "too many clients": "it has too many connections",
    "too many connections": "it has too many connections",
    "too many 5": "it answers with errors",
    " server error": "it answers with errors",
    "database is locked": "another process has locked its database",
}


def check_answers(uri: str) -> None:
    """Check that a store answers at all, with an error about credentials too. A SQLite database that is missing is not checked.

    Raises Unavailable if it does not answer, and UserError if a database refuses the connection.
    """
    answers: queue.SimpleQueue[UserError | None] = queue.SimpleQueue()
    # In a thread, because name resolution and drivers of databases have no time limit.
    threading.Thread(target=lambda: answers.put(_ask(uri)), daemon=True).start()
    try:
        problem = answers.get(timeout=PATIENCE_S + 0.5)
    except queue.Empty:
        problem = away(uri, "no answer in time")
    if problem:
        raise problem


def away(uri: str, why: str) -> Unavailable:
    """Return the error about a store that does not answer, as one sentence."""
    return Unavailable(f"MLflow at {redact(uri)} cannot be reached: {why}; {AGAIN}")


def why_away(error: BaseException) -> str | None:
    """Return why a store does not answer, in a few words, from an error of any client; None for an error of another kind."""
    said = redact(f"{type(error).__name__} {error}").lower()
    return next((words for mark, words in AWAY.items() if mark in said), None)


def _ask(uri: str) -> UserError | None:
    try:
        if uri.lower().startswith(WEB):
            return _ask_server(uri)
        if uri.startswith(SQLITE):
            return _ask_file(uri)
        return _ask_database(uri) if uri.startswith(DATABASES) else None
    except Exception:  # unknown: MLflow's client, which comes next, has its own words for it
        return None


def _ask_server(uri: str) -> UserError | None:
    ends, why = time.monotonic() + PATIENCE_S, None
    for pause_s in (*PAUSES_S, 0.0):
        if (why := _try(uri, min(TRY_S, ends - time.monotonic()))) is None:
            return None
        if time.monotonic() + pause_s + 0.5 > ends:
            break
        time.sleep(pause_s)
    return away(uri, str(why))


def _try(uri: str, seconds: float) -> str | None:
    """Return why a server does not answer; None if it does. It gets our credentials and a request that changes nothing."""
    import requests

    secure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() not in ("1", "true")
    settings: dict[str, Any] = {
        "verify": secure and (os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True),
        "cert": os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH") or None,
        "params": {"max_results": "1"},
    }
    user, password = os.environ.get(USERNAME), os.environ.get(PASSWORD)
    if user and password:
        settings["auth"] = (user, password)
    elif token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        settings["headers"] = {"Authorization": f"Bearer {token}"}
    address = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search"
    try:
        with requests.get(address, timeout=seconds, stream=True, **settings) as answer:
            failed = answer.status_code >= 500 or answer.status_code in BUSY
            return f"{answer.status_code} {answer.reason}".strip() if failed else None
    except (requests.ConnectionError, requests.Timeout) as error:
        return why_away(error) or redact(str(error))[-160:]


def _ask_file(uri: str) -> UserError | None:
    """Ask for the right to write to a SQLite database, and give it back at once."""
    path = Path(uri.removeprefix(SQLITE).partition("?")[0])
    if not path.is_file():
        return None
    mode, begin = ("rw", "BEGIN IMMEDIATE") if os.access(path, os.W_OK) else ("ro", "SELECT 1 FROM sqlite_master")
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=TRY_S, isolation_level=None)
    try:
        connection.execute(begin).fetchall()
    except sqlite3.OperationalError as error:
        return away(uri, why) if (why := why_away(error)) else None
    finally:
        connection.close()
    return None


def _ask_database(uri: str) -> UserError | None:
    from sqlalchemy import create_engine, pool

    try:
        create_engine(whole(uri), poolclass=pool.NullPool).connect().close()
    except Exception as error:  # drivers have no common class
        if why := why_away(error):
            return away(uri, why)
        said = " ".join(redact(str(error)).partition("(Background")[0].split())
        return UserError(f"the MLflow database {redact(uri)} cannot be used: {said[:300]}; check MLFLOW_TRACKING_URI")
    return None
