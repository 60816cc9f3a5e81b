"""Checkpoints as MLflow LoggedModels (safetensors and JSON, no pickle), and the registry of those worth keeping."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import mlflow
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from tracking.store import client

FILES = ("model.safetensors", "config.json")


def log_checkpoint(uri: str, run_id: str, folder: Path, tags: Mapping[str, str]) -> str:
    """Store a trial's checkpoint and return the model's id. A second call for a run returns the model it has."""
    experiment_id = client(uri).get_run(run_id).info.experiment_id
    found = client(uri).search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
    for model in found:
        if model.status == LoggedModelStatus.READY:
            return str(model.model_id)
    model = client(uri).create_logged_model(
        experiment_id, name="checkpoint", source_run_id=run_id, tags=dict(tags), model_type="smile"
    )
    try:
        for name in FILES:
            client(uri).log_model_artifact(model.model_id, str(folder / name))
    except BaseException:
        client(uri).finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
        raise
    client(uri).finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    client(uri).log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return str(model.model_id)


def register(uri: str, name: str, model_id: str, tags: Mapping[str, str], aliases: Sequence[str]) -> str:
    """Make a checkpoint a version of the registered model `name` and point `aliases` at it; returns the version.

    `tags` hold its `fingerprint`: a trial that has a version already gets no second one.
    """
    mlflow.set_tracking_uri(uri)  # a registry in a database looks a `models:/` source up there, whatever its client's
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


def alias_tags(uri: str, name: str, alias: str) -> dict[str, str] | None:
    """The version tags behind an alias; None where there is no such alias."""
    try:
        return dict(client(uri).get_model_version_by_alias(name, alias).tags)
    except MlflowException:
        return None


def _create(uri: str, name: str) -> None:
    try:
        client(uri).create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _version_of(uri: str, name: str, fingerprint: str) -> ModelVersion | None:
    versions = client(uri).search_model_versions(f"name = '{name}'")
    return next((version for version in versions if version.tags.get("fingerprint") == fingerprint), None)
