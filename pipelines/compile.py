"""The pipeline as a package for a Kubeflow Pipelines server."""

import os
from pathlib import Path


def compile_package(path: Path, image: str | None = None) -> Path:
    """Write the package. `image` is the container image of every step, best with a digest or a git revision as its tag:
    the server's cache knows an image by this string alone.
    """
    if image is not None:
        os.environ["ABLATE_IMAGE"] = image  # read where components are declared, by the import below
    from kfp import compiler

    from pipelines.ablation_pipeline import ablation_pipeline

    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part.yaml")
    compiler.Compiler().compile(ablation_pipeline, str(beside))
    return beside.replace(path)
