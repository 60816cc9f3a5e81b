"""Declaration of the components: lightweight ones in the project's image, which install nothing at start."""

import os
from collections.abc import Callable
from typing import Any

from kfp import dsl

from components.shared.revision import code_rev, image_tag

STEP_IMAGE = "ABLATE_STEP_IMAGE"  # in a step: its image, with a digest if that is known
REPOSITORY = "ablate-python"  # kfp.local warns about a name without `python`


def default_image() -> str:
    """Return the image of this revision. Never `latest`: Kubeflow's cache identifies a step's code by this string only."""
    return os.environ.get("ABLATE_IMAGE") or f"{REPOSITORY}:{image_tag(code_rev())}"


def component(function: Callable[..., Any]) -> Any:
    """Return the function as a KFP component; in a running step, where kfp cannot declare components, the function itself."""
    if os.environ.get("_KFP_RUNTIME") == "true":
        return function
    return dsl.component(function, base_image=default_image(), install_kfp_package=False)
