"""Submits a study to a Kubeflow Pipelines server: checks it, uploads the package as a version, starts a run."""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ablation.plan.plan import Plan
from common.errors import UserError
from common.store_address import has_secret, without_secret
from components.shared.braces import protect
from corpora.address import check
from pipelines.local import paths
from pipelines.name import DESCRIPTION, NAME
from pipelines.package.cluster import read_cluster
from pipelines.package.compile import compile_package
from pipelines.package.steps import Steps
from pipelines.server.client import Server
from pipelines.server.inputs import check_inputs
from pipelines.server.terminate import close_ended
from pipelines.server.trials import store
from pipelines.server.view import plugin_note
from recipes.plans import arms_of, for_pods, of

LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}


@dataclass(frozen=True)
class Prepared:
    """Ids on the server of all that a run needs, and the steps of the pipeline."""

    experiment: str
    pipeline: str
    version: str
    version_name: str
    uploaded: bool
    steps: Steps


@dataclass(frozen=True)
class Submitted:
    """A run that the server has accepted: its id, name, page and steps. `note` is a line about it, or empty."""

    run: str
    name: str
    page: str
    steps: Steps
    note: str = ""


def pods_store(tracking_uri: str | None, cluster: Path | None) -> str:
    """Return the MLflow address for pods: from the option, else the environment, else the settings of the cluster."""
    given = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    return given or (cluster and read_cluster(cluster).tracking_uri) or paths.tracking_uri()


def arguments_for(plan: Plan, tracking_uri: str, code_rev: str) -> dict[str, Any]:
    """Return the inputs of the pipeline. Raises UserError for a corpus or an MLflow server that a cluster cannot use."""
    arms_of(plan)
    check(plan.corpus, here=False, needs_video=of(plan).needs_video)  # the cluster has its own folders and buckets
    _check_tracking(tracking_uri)
    return {"plan": protect(for_pods(plan).as_mapping()), "tracking_uri": tracking_uri, "code_rev": code_rev}


def _check_tracking(uri: str) -> None:
    if has_secret(uri):
        remedy = "remove it, and give it to the pods as the secret MLFLOW_TRACKING_PASSWORD"
        rule = "everyone who sees a run can read its arguments"
        raise UserError(
            f"{rule}, and the address of MLflow {without_secret(uri)} has a password; {remedy} (`secrets:`)"
        )
    parts = urlsplit(uri)
    remedy = "give an MLflow server that pods can reach, by --tracking-uri or MLFLOW_TRACKING_URI"
    if parts.scheme in ("", "sqlite", "file"):
        raise UserError(f"a cluster cannot write to the MLflow store {uri!r}, which is on this machine; {remedy}")
    if parts.scheme in ("http", "https") and parts.hostname in LOCAL_HOSTS:
        raise UserError(f"in a pod, {parts.hostname} is the pod itself; {remedy}")


def run_name(study: str, code_rev: str) -> str:
    """Return the name of a run: the study and the revision of the code."""
    return f"{study} {code_rev}".strip()


def prepare(
    server: Server,
    arguments: Mapping[str, Any],
    *,
    image: str | None,
    cluster: Path | None,
    experiment: str,
    ask: Callable[[Callable[[], Prepared]], Prepared] = lambda ready: ready(),
) -> Prepared:
    """Check what will be sent, and create on the server all that a run or a schedule needs.

    `ask` may repeat the requests while the server is away: they create every object only once.
    Raises UserError before any request, and the errors of `pipelines.server.errors`.
    """
    from pipelines.server.sendable import check_sendable

    code_rev = arguments["code_rev"]
    with _package(image, cluster) as package:
        name, steps = _version_name(code_rev, package), Steps.of(package)
        run = run_name(arguments["plan"]["study"], code_rev)
        check_sendable(arguments, run_name=run, experiment=experiment, version=name)

        def ready() -> Prepared:
            server.check()
            pipeline = server.pipeline(NAME, DESCRIPTION)
            version, uploaded = server.version(pipeline, name, package)
            return Prepared(server.experiment(experiment), pipeline, version, name, uploaded, steps)

        return ask(ready)


def check_scheduled(server: Server, at: Prepared, arguments: Mapping[str, Any]) -> None:
    """Check that the version on the server takes these arguments. A server accepts any schedule, and then fails at every tick.

    Raises UserError, and the errors of `pipelines.server.errors`.
    """
    check_inputs(server.inputs(at.pipeline, at.version), arguments, f"version {at.version_name} on {server.host}")


def submit(server: Server, plan: Plan, arguments: dict[str, Any], at: Prepared, name: str = "") -> Submitted:
    """Start a run; its name is made of study and revision unless one is given. Raises the errors of `pipelines.server.errors`.

    Open MLflow runs of earlier runs that have ended are closed first, so that the new study does not wait for their trials.
    """
    if uri := store():
        close_ended(server, uri, plan.study)
    name = name or run_name(plan.study, arguments["code_rev"])
    made = server.create(name, experiment=at.experiment, pipeline=at.pipeline, version=at.version, arguments=arguments)
    note = plugin_note(made) if made.plugin_failure else ""
    return Submitted(made.id, name, server.page(made.id), at.steps, note)


@contextmanager
def _package(image: str | None, cluster: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ablate-") as folder:
        yield compile_package(Path(folder) / "pipeline.yaml", image, cluster)


def _version_name(code_rev: str, package: Path) -> str:
    """Return the revision of the code with the hash of the package, which tells images and uncommitted changes apart.

    The name has lower-case letters, digits, dots and hyphens, because a server may store versions as Kubernetes objects.
    """
    rev = re.sub(r"[^a-z0-9.-]+", "-", code_rev.lower().replace("+", "-dirty")).strip("-.")
    return f"{rev or 'no-revision'}-{hashlib.sha256(package.read_bytes()).hexdigest()[:8]}"
