"""MLflow's pages on the store of a study, opened on the WER of every arm."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

from rich.console import Console

from ablation.results import read_study
from common.errors import UserError
from common.store_address import whole
from pipelines.local.processes import end_group, has_ended, ignoring_signals, raising_on_signals, start_group
from tracking.view import deep_link

START_TIMEOUT_S = 120.0  # the imports alone take a minute on a busy machine
POLL_S = 0.3
GRACE_S = 1.0  # MLflow's server does not end on SIGTERM, and it has nothing to save


def serve(study: Path, tracking_uri: str, *, port: int, browser: bool, console: Console) -> None:
    """Show a study. If the store is a database, this runs a server for it until Ctrl-C or SIGTERM. Raises UserError.

    The server ends with this process, also if this process is killed. A damaged study.json is refused.
    """
    ids = read_study(study).mlflow
    if ids is None:
        raise UserError(f"a study is shown by its run in MLflow, and {study} names none; run the study again")
    if tracking_uri.startswith(("http://", "https://")):
        _show(deep_link(tracking_uri, ids["experiment_id"], ids["study_run_id"]), browser, console)
        return
    _check_free(port)
    base = f"http://127.0.0.1:{port}"
    with raising_on_signals():
        server = _start(tracking_uri, port)
        try:
            _wait_until_healthy(base, server)
            _show(deep_link(base, ids["experiment_id"], ids["study_run_id"]), browser, console)
            console.print("Ctrl-C ends the server.")
            while not has_ended(server):
                time.sleep(POLL_S)
        except KeyboardInterrupt:
            console.print("Ended.")
        finally:
            with ignoring_signals():
                end_group(server, GRACE_S)


def _start(tracking_uri: str, port: int) -> "subprocess.Popen[bytes]":
    """Start a server with one worker and without job execution: it takes 345 MB of memory instead of 1.7 GB.

    The address of the store, which may have a password, goes by the environment: all users can read arguments.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--host", "127.0.0.1", "--workers", "1"]
    settings = {
        "MLFLOW_BACKEND_STORE_URI": whole(tracking_uri),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return start_group(
        [sys.executable, "-m", "pipelines.local.guard", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **settings},
    )


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise UserError(f"port {port} is in use; give another one, e.g. --port {port + 1}")


def _wait_until_healthy(base: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and not has_ended(server):
        try:
            urllib.request.urlopen(f"{base}/health", timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(POLL_S)
    raise UserError(f"the MLflow server did not start on {base}; try `mlflow server` to see why")


def _show(link: str, browser: bool, console: Console) -> None:
    console.print(link, soft_wrap=True, markup=False, highlight=False)
    if browser:
        webbrowser.open(link)
