"""Checkpoints as MLflow LoggedModels, with the files that a recipe wrote, and their versions in the model registry."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Run
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from common.checkpoint_files import checkpoint_files
from common.checksums import Damaged, fault, sha256_of
from common.store_address import whole
from tracking import local_copies
from tracking.creating import drop_model, drop_version, once, patiently
from tracking.downloads import download
from tracking.registry import point
from tracking.search import versions_of
from tracking.store import client

NAMED_BY = ("arm", "seed")  # tags of a trial's checkpoint
NOT_IN_NAMES = re.compile(r"[/:.%\"']")  # of MLflow's models
ABOUT = (
    "Checkpoints of the studies of this name. `baseline` is the baseline of the newest study, `candidate` its best other arm, and "
    "`champion` the best checkpoint so far: the version has the evidence as tags."
)
SHA256 = "sha256."  # prefix of a tag of the model, one for each file


def log_checkpoint(uri: str, run_id: str, folder: Path, tags: Mapping[str, str], recipe: str = "smile") -> str:
    """Store all files in a folder as a trial's checkpoint; return the model's id. A second call returns the existing model.

    `recipe` is the name of the recipe that can read the files.
    Large files go directly to the server's S3, in parts, if MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD is true.
    """
    run = client(uri).get_run(run_id)
    sums = {f"{SHA256}{name}": sha256_of(folder / name) for name in checkpoint_files(folder)}
    model = _one_model(uri, run.info.experiment_id, run_id, {**tags, **sums}, recipe)
    if model.status != LoggedModelStatus.READY:
        _complete(uri, model, folder, {**tags, **sums})
    if not _is_output(run, model.model_id):
        _link(uri, run_id, model.model_id)
    return str(model.model_id)


def _is_output(run: Run, model_id: str) -> bool:
    return run.outputs is not None and any(output.model_id == model_id for output in run.outputs.model_outputs)


def _link(uri: str, run_id: str, model_id: str) -> None:
    """Make a model an output of its run. MLflow refuses to do it twice, also if only the first reply was lost."""
    try:
        client(uri).log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    except MlflowException:
        if not _is_output(client(uri).get_run(run_id), model_id):
            raise


def _one_model(uri: str, experiment_id: str, run_id: str, tags: Mapping[str, str], recipe: str) -> LoggedModel:
    """Return the run's model: the READY one, else the oldest that an earlier try has not completed, else a new one."""

    def find() -> list[LoggedModel]:
        found = list(client(uri).search_logged_models([experiment_id], f"source_run_id = '{run_id}'"))
        return sorted(found, key=lambda m: (m.status != LoggedModelStatus.READY, m.creation_timestamp, m.model_id))

    def make() -> LoggedModel:
        return client(uri).create_logged_model(
            experiment_id,
            name=_model_name(tags),
            source_run_id=run_id,
            tags=dict(tags),
            params={key: tags[key] for key in NAMED_BY if key in tags},
            model_type=recipe,
        )

    return once(uri, find, make, lambda model: drop_model(uri, model.model_id))


def _model_name(tags: Mapping[str, str]) -> str:
    """Return the name of a trial's checkpoint on MLflow's pages, e.g. `no-scale seed 2`, without what MLflow does not accept."""
    if any(key not in tags for key in NAMED_BY):
        return "checkpoint"
    return f"{NOT_IN_NAMES.sub('_', tags['arm'])} seed {tags['seed']}"


def _complete(uri: str, model: LoggedModel, folder: Path, tags: Mapping[str, str]) -> None:
    """Upload the files of a model and make it READY. A failure makes it FAILED, and the next try takes it again."""
    try:
        if not tags.items() <= model.tags.items():  # an earlier try created it
            client(uri).set_logged_model_tags(model.model_id, dict(tags))
        client(uri).log_model_artifacts(model.model_id, str(folder))
        local_copies.put_tree(str(model.model_id), folder, _names(tags))
    except BaseException:
        with contextlib.suppress(MlflowException):  # it may be the cause
            client(uri).finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
        raise
    patiently(uri, lambda: client(uri).finalize_logged_model(model.model_id, LoggedModelStatus.READY))


def register(
    uri: str, name: str, model_id: str, tags: Mapping[str, str], aliases: Sequence[str], description: str = ""
) -> str:
    """Make a checkpoint a version of the registered model `name`, point `aliases` at it, and return the version.

    `tags` contain its `fingerprint`. A fingerprint that has a version already gets no second one. An alias that points at a
    version without these tags, which others registered, stays where it is. `description` is shown on the page of a new version.
    """
    # A registry in a database looks a `models:/` source up there, not at the client's address.
    mlflow.set_tracking_uri(whole(uri))
    registered = patiently(uri, lambda: _registered_model(uri, name))
    version = str(_one_version(uri, name, model_id, tags, description).version)
    for alias in aliases:
        point(uri, registered, alias, version)
    return version


def _one_version(uri: str, name: str, model_id: str, tags: Mapping[str, str], description: str) -> ModelVersion:
    """Return the version of a fingerprint: the oldest, else a new one."""

    def make() -> ModelVersion:
        source = client(uri).get_logged_model(model_id)
        return client(uri).create_model_version(
            name,
            f"models:/{model_id}",
            run_id=source.source_run_id,
            tags=dict(tags),
            description=description or None,
            model_id=model_id,
            await_creation_for=0,
        )

    return once(
        uri,
        lambda: versions_of(uri, name, tags["fingerprint"]),
        make,
        lambda version: drop_version(uri, name, str(version.version)),
    )


def fetch_checkpoint(uri: str, model_id: str, out: Path) -> None:
    """Download a checkpoint's files into the folder `out` and compare them with their stored checksums.

    Raises Damaged for a file that is missing or differs; `out` is then unchanged.
    """
    model = client(uri).get_logged_model(model_id)
    sums = {name: model.tags[f"{SHA256}{name}"] for name in _names(model.tags)}
    if not sums:
        raise Damaged(
            f"{model_id} in MLflow has no checksums, so it is no checkpoint of this service; train that trial again"
        )
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=".download-") as folder:
        got = Path(folder)
        if not local_copies.take(model_id, sums, got):
            got = download(uri, model.artifact_location, got)
            if found := fault(got, sums):
                rule = "the files of a checkpoint have the SHA-256 that they were stored with"
                raise Damaged(f"{rule}; of {model_id} in MLflow, {found}; train that trial again")
            local_copies.put_tree(model_id, got, sums)
        for name in sums:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (got / name).replace(out / name)


def _names(tags: Mapping[str, str]) -> list[str]:
    """Return the files that a model's tags give checksums of."""
    return [tag.removeprefix(SHA256) for tag in tags if tag.startswith(SHA256)]


def _registered_model(uri: str, name: str) -> RegisteredModel:
    with contextlib.suppress(MlflowException):
        return client(uri).get_registered_model(name)
    try:
        return client(uri).create_registered_model(name, description=ABOUT)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return client(uri).get_registered_model(name)
