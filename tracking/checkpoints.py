"""Checkpoints as MLflow LoggedModels (safetensors and JSON, no pickle), and their versions in the model registry."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from common.checksums import Damaged, fault, sha256_of
from common.store_address import whole
from tracking import local_copies
from tracking.store import client

FILES = ("model.safetensors", "config.json")
SHA256 = "sha256."  # prefix of a tag of the model, one for each file


def log_checkpoint(uri: str, run_id: str, folder: Path, tags: Mapping[str, str]) -> str:
    """Store a trial's checkpoint and return the model's id. A second call for the same run returns the existing model.

    Large files go directly to the server's S3, in parts, if MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD is true.
    """
    experiment_id = client(uri).get_run(run_id).info.experiment_id
    found = client(uri).search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
    for model in found:
        if model.status == LoggedModelStatus.READY:
            return str(model.model_id)
    model = client(uri).create_logged_model(
        experiment_id, name="checkpoint", source_run_id=run_id, tags=dict(tags), model_type="smile"
    )
    try:
        sums = {f"{SHA256}{name}": sha256_of(folder / name) for name in FILES}
        client(uri).set_logged_model_tags(model.model_id, sums)
        for name in FILES:
            client(uri).log_model_artifact(model.model_id, str(folder / name))
        local_copies.put(str(model.model_id), [folder / name for name in FILES])
    except BaseException:
        client(uri).finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
        raise
    client(uri).finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client(uri).log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return str(model.model_id)


def register(uri: str, name: str, model_id: str, tags: Mapping[str, str], aliases: Sequence[str]) -> str:
    """Make a checkpoint a version of the registered model `name`, point `aliases` at it, and return the version.

    `tags` contain its `fingerprint`. A fingerprint that has a version already gets no second one.
    """
    mlflow.set_tracking_uri(
        whole(uri)
    )  # a registry in a database looks a `models:/` source up there, not at the client's address
    _create(uri, name)
    version = _version_of(uri, name, tags["fingerprint"])
    if version is None:
        source = client(uri).get_logged_model(model_id)
        version = client(uri).create_model_version(
            name, f"models:/{model_id}", run_id=source.source_run_id, tags=dict(tags), model_id=model_id
        )
    for alias in aliases:
        client(uri).set_registered_model_alias(name, alias, version.version)
    return str(version.version)


def fetch_checkpoint(uri: str, model_id: str, out: Path) -> None:
    """Download a checkpoint's files into the folder `out` and compare them with their stored checksums.

    Raises Damaged for a file that is missing or differs; `out` is then unchanged.
    """
    model = client(uri).get_logged_model(model_id)
    sums = {name: model.tags.get(f"{SHA256}{name}", "") for name in FILES}
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=".download-") as folder:
        got = Path(folder)
        if not local_copies.take(model_id, sums, got):
            # Not `models:/ID`: MLflow looks that up in the store of the process and ignores tracking_uri.
            source = model.artifact_location
            reached = whole(uri)
            got = Path(mlflow.artifacts.download_artifacts(artifact_uri=source, dst_path=folder, tracking_uri=reached))
            if found := fault(got, sums):
                rule = "the files of a checkpoint have the SHA-256 that they were stored with"
                raise Damaged(f"{rule}; of {model_id} in MLflow, {found}; train that trial again")
            local_copies.put(model_id, [got / name for name in FILES])
        for name in FILES:
            (got / name).replace(out / name)


def _create(uri: str, name: str) -> None:
    try:
        client(uri).create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version_of(uri: str, name: str, fingerprint: str) -> ModelVersion | None:
    versions = client(uri).search_model_versions(f"name = '{name}'")
    return next((version for version in versions if version.tags.get("fingerprint") == fingerprint), None)
