"""`ablate compile`: write the pipeline as a package for a Kubeflow server."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import ClusterFile, StepImage


def compile_(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Write the package to this file.")] = Path(
        "pipeline.yaml"
    ),
    image: StepImage = None,
    cluster: ClusterFile = None,
) -> None:
    """Write the Kubeflow package of the pipeline.

    The package has the same definition that `ablate run` uses. Upload it to a Kubeflow Pipelines server. The command
    checks the package and does not write one that a server would refuse, or would silently run in another way.

    Example: ablate compile --image registry/ablate-python:1234567 --cluster deploy/cluster.yaml
    """
    from pipelines.package.compile import compile_package

    print(compile_package(out, image, cluster))
