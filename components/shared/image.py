"""How every component is declared: lightweight, in the project's image, with nothing installed at start."""

import os
from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.shared.revision import code_rev, image_tag

STEP_IMAGE = "ABLATE_STEP_IMAGE"  # in a step: the image it runs in, with a digest if that is known
REPOSITORY = "ablate-python"  # its name says python, or kfp.local warns


def default_image() -> str:
    """The image of this revision. Never `latest`: the server's cache knows a step's code by the image's text alone."""
    return os.environ.get("ABLATE_IMAGE") or f"{REPOSITORY}:{image_tag(code_rev())}"


def component(function: Callable[..., Any]) -> Any:
    """The function as a KFP component; unchanged inside a running one, where kfp offers no way to declare any."""
    if os.environ.get("_KFP_RUNTIME") == "true":
        return function
    return dsl.component(function, base_image=default_image(), install_kfp_package=False)
