"""The pipeline as a package for a Kubeflow Pipelines server."""

import contextlib
from pathlib import Path

from common.errors import UserError
from pipelines.package.cluster import Cluster, read_cluster


def compile_package(path: Path, image: str | None = None, cluster: Path | None = None) -> Path:
    """Write the package, if nothing is wrong with it.

    `image` is the container image of every step, with a digest or a git revision as its tag: the server's cache knows
    an image by this string alone. `cluster` is a file of settings as `deploy/cluster.yaml`. Raises UserError for bad
    settings, for what the lint finds (a sentence a line), and where nothing can be written.
    """
    settings = read_cluster(cluster) if cluster else Cluster()
    from kfp import compiler

    from pipelines.package.lint import lint
    from pipelines.package.placed import placed

    package, beside = placed(settings, image), path.with_name(f".{path.name}.part.yaml")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        compiler.Compiler().compile(package, str(beside))
        if findings := lint(beside):
            raise UserError("\n".join(findings))
        return beside.replace(path)
    except OSError as error:
        raise UserError(f"the package {path} cannot be written: {error.strerror}; give another file with -o") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()
