"""The pipeline as a package for a Kubeflow Pipelines server."""

import contextlib
import os
from pathlib import Path

from ablation.errors import UserError


def compile_package(path: Path, image: str | None = None) -> Path:
    """Write the package. `image` is the container image of every step, best with a digest or a git revision as its tag:
    the server's cache knows an image by this string alone. Raises UserError where nothing can be written.
    """
    if image is not None:
        os.environ["ABLATE_IMAGE"] = image  # read where components are declared, by the import below
    from kfp import compiler

    from pipelines.ablation_pipeline import ablation_pipeline

    beside = path.with_name(f".{path.name}.part.yaml")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        compiler.Compiler().compile(ablation_pipeline, str(beside))
        return beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise UserError(f"the package {path} cannot be written: {error.strerror}; give another file with -o") from error
