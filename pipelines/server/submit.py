"""Bring a study to a Kubeflow Pipelines server: check it, upload the package as a version, start a run."""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from ablation.plan.arms import expand, trials
from ablation.plan.plan import Plan
from common.errors import UserError
from components.shared.limits import check_fits_cluster
from corpora.prepare import check
from pipelines.local import paths
from pipelines.name import DESCRIPTION, NAME
from pipelines.package.cluster import read_cluster
from pipelines.package.compile import compile_package
from pipelines.server.client import Server
from recipes.smile import CATALOGUE

OF_ONE_MACHINE = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}


@dataclass(frozen=True)
class Prepared:
    """Ids of what a run is made of, once the server has it. `steps` are the names of the pipeline's own steps."""

    experiment: str
    pipeline: str
    version: str
    version_name: str
    uploaded: bool
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Submitted:
    """A run that the server has accepted. `steps` as in `Prepared`."""

    run: str
    name: str
    page: str
    steps: tuple[str, ...]


def pods_store(tracking_uri: str | None, cluster: Path | None) -> str:
    """MLflow as pods reach it: what was said, else the environment's, else that of the cluster's settings."""
    said = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    return said or (cluster and read_cluster(cluster).tracking_uri) or paths.tracking_uri()


def arguments_for(plan: Plan, tracking_uri: str, code_rev: str) -> dict[str, Any]:
    """What the pipeline is given. Raises UserError for a corpus, a size or an MLflow server that a cluster cannot use."""
    check_fits_cluster(trials(plan, expand(plan, CATALOGUE)))
    check(plan.corpus, here=False)  # folders and buckets are those that the cluster sees
    _check_tracking(tracking_uri)
    return {"plan": plan.as_mapping(), "tracking_uri": tracking_uri, "code_rev": code_rev}


def _check_tracking(uri: str) -> None:
    parts = urlsplit(uri)
    remedy = "give an MLflow server that pods reach, by --tracking-uri or MLFLOW_TRACKING_URI"
    if parts.scheme in ("", "sqlite", "file"):
        raise UserError(f"a cluster cannot write to MLflow's store {uri!r}, which is on this machine; {remedy}")
    if parts.scheme in ("http", "https") and parts.hostname in OF_ONE_MACHINE:
        raise UserError(f"to a pod in a cluster, {parts.hostname} is the pod itself; {remedy}")
    if parts.password:
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        remedy = "give it without, and the password to the pods as the secret MLFLOW_TRACKING_PASSWORD"
        raise UserError(f"a run's arguments can be read by all who see the run, and {shown} has a password; {remedy}")


def prepare(
    server: Server,
    *,
    image: str | None,
    cluster: Path | None,
    experiment: str,
    code_rev: str,
    ask: "Callable[[Callable[[], Prepared]], Prepared]" = lambda ready: ready(),
) -> Prepared:
    """Make all that a run or a schedule needs and that is not there yet. Raises the errors of `pipelines.server.errors`.

    `ask` may ask again where the server is away: whatever is made here is made once.
    """
    with _package(image, cluster) as package:
        name, steps = _version_name(code_rev, package), _steps(package)

        def ready() -> Prepared:
            server.check()
            pipeline = server.pipeline(NAME, DESCRIPTION)
            version, uploaded = server.version(pipeline, name, package)
            return Prepared(server.experiment(experiment), pipeline, version, name, uploaded, steps)

        return ask(ready)


def submit(server: Server, plan: Plan, arguments: dict[str, Any], at: Prepared) -> Submitted:
    """Start a run. Raises the errors of `pipelines.server.errors`."""
    name = f"{plan.study} {arguments['code_rev']}".strip()
    run = server.start(name, experiment=at.experiment, pipeline=at.pipeline, version=at.version, arguments=arguments)
    return Submitted(run, name, server.page(run), at.steps)


@contextmanager
def _package(image: str | None, cluster: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ablate-") as folder:
        yield compile_package(Path(folder) / "pipeline.yaml", image, cluster)


def _version_name(code_rev: str, package: Path) -> str:
    """The code's revision and the package's hash: other images, or changes that are not committed, are other versions.

    Lower case, digits, dots and hyphens, since a server may keep versions as objects of Kubernetes.
    """
    rev = re.sub(r"[^a-z0-9.-]+", "-", code_rev.lower().replace("+", "-dirty")).strip("-.")
    return f"{rev or 'no-revision'}-{hashlib.sha256(package.read_bytes()).hexdigest()[:8]}"


def _steps(package: Path) -> tuple[str, ...]:
    """The steps' names, in the order of the package; everything else in a run is Kubeflow's own."""
    with package.open(encoding="utf-8") as file:
        [spec, *_] = yaml.safe_load_all(file)
    return tuple(name.removeprefix("exec-") for name in spec["deploymentSpec"]["executors"])
