"""`ablate compile`: the pipeline as a package for a Kubeflow server."""

from pathlib import Path
from typing import Annotated

import typer


def compile_(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write it.")] = Path(
        "pipeline.yaml"
    ),
    image: Annotated[
        str | None,
        typer.Option(metavar="REF", help="The container image of the steps, tagged by a revision; not `latest`."),
    ] = None,
    cluster: Annotated[
        Path | None, typer.Option(metavar="FILE", help="GPUs, memory, secrets and more, as in deploy/cluster.yaml.")
    ] = None,
) -> None:
    """Write the Kubeflow package of the pipeline.

    It is the definition that `ablate run` runs; upload it to a Kubeflow Pipelines server. Nothing is written if a
    server would refuse the package or silently do something else.

    Example: ablate compile --image registry/ablate-python:1234567 --cluster deploy/cluster.yaml
    """
    from pipelines.package.compile import compile_package

    print(compile_package(out, image, cluster))
