"""How every component is declared: lightweight, in the project's image, with nothing installed at start."""

import os
from collections.abc import Callable
from typing import Any

from kfp import dsl

# `ablate compile --image` sets it before the components are imported. Its name says python, or kfp.local warns.
IMAGE = os.environ.get("ABLATE_IMAGE", "ablate-python:latest")


def component(function: Callable[..., Any]) -> Any:
    """The function as a KFP component; unchanged inside a running one, where kfp offers no way to declare any."""
    if os.environ.get("_KFP_RUNTIME") == "true":
        return function
    return dsl.component(function, base_image=IMAGE, install_kfp_package=False)
