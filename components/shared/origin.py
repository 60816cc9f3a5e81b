"""The origin of a study's runs for MLflow: the command or the image that opened it, and the revision of the code."""

import os

from components.shared.image import STEP_IMAGE


def origin(command: str, code_rev: str) -> dict[str, str]:
    """Return the tags of `tracking.source` for this process, which runs in a container if its image was told to it."""
    from tracking.source import source_tags

    return source_tags(command, code_rev, os.environ.get(STEP_IMAGE, ""))
