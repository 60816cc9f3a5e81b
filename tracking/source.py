"""The origin of a run for MLflow's columns Source, Version and User: what started it, which code it was, and for whom."""

import getpass
import os

from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME, MLFLOW_SOURCE_TYPE, MLFLOW_USER

from common.source_code import sources_fingerprint

LOCAL, JOB = "LOCAL", "JOB"
REVISION = "ABLATE_REVISION"  # of the image, from its build argument
UNKNOWN = "unknown"  # the default of that argument
USERNAME = "MLFLOW_TRACKING_USERNAME"


def source_tags(command: str, code_rev: str, image: str = "") -> dict[str, str]:
    """Return the tags of all runs of a study, which `command` has started, or a step in a container of `image`.

    The commit is `code_rev`, else what the image was built from. Where both are unknown, it is a hash of the sources, which starts
    with `sources-`, so that nobody takes it for a commit.
    """
    user = _user()
    return {
        MLFLOW_SOURCE_NAME: image or command,
        MLFLOW_SOURCE_TYPE: JOB if image else LOCAL,
        MLFLOW_GIT_COMMIT: code_rev or _built_from() or f"sources-{sources_fingerprint()[:12]}",
        **({MLFLOW_USER: user} if user else {}),
    }


def _built_from() -> str:
    found = os.environ.get(REVISION, "").strip()
    return "" if found == UNKNOWN else found


def _user() -> str:
    """Return the name at the MLflow server, else the name on this machine; empty if there is none."""
    try:
        return os.environ.get(USERNAME) or getpass.getuser()
    except (OSError, KeyError):  # a user id without an entry in /etc/passwd
        return ""
