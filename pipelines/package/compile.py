"""Compiles the pipeline to a package for a Kubeflow Pipelines server."""

import tempfile
from pathlib import Path

from common.errors import UserError
from common.files import atomic_write
from pipelines.package.cluster import Cluster, read_cluster


def compile_package(path: Path, image: str | None = None, cluster: Path | None = None) -> Path:
    """Write the package to `path` if the checks find no fault, and return the path.

    `image` is the container image of every step. Its tag is a git revision, or it has a digest, because the cache of the
    server identifies an image by this text alone. `cluster` is a file of settings such as `deploy/cluster.yaml`.
    Raises UserError for bad settings, for every fault that the lint finds (one sentence per line), and for a path that
    cannot be written.
    """
    settings = read_cluster(cluster) if cluster else Cluster()
    with tempfile.TemporaryDirectory(prefix="ablate-") as folder:
        compiled = _compiled(Path(folder) / "pipeline.yaml", settings, image)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return atomic_write(path, compiled)
    except OSError as error:
        raise UserError(f"the package {path} cannot be written: {error.strerror}; give another file with -o") from error


def _compiled(scratch: Path, settings: Cluster, image: str | None) -> bytes:
    from kfp import compiler

    from pipelines.package.form import add_menus
    from pipelines.package.lint import lint
    from pipelines.package.placed import placed
    from pipelines.package.slim import slim
    from pipelines.package.yaml12 import package_text, read_documents

    compiler.Compiler().compile(placed(settings, image), str(scratch))
    comment, documents = read_documents(scratch)
    add_menus(documents[0])
    slim(documents[0])
    scratch.write_text(package_text(documents, comment), encoding="utf-8")
    if findings := lint(scratch):
        raise UserError("\n".join(findings))
    return scratch.read_bytes()
