"""Addresses of registered models, `models:/NAME@ALIAS` and `models:/NAME/VERSION`, and the checkpoints behind them."""

import re
from collections.abc import Iterable

from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from common.errors import UserError
from common.hints import did_you_mean
from common.redact import redact
from tracking.registry import Version
from tracking.store import check_store, client, is_missing

SCHEME = "models:/"
ADDRESS = re.compile(r"models:/+([^/@]+)(?:@([^/@]+)|/(\d+))")


def find_version(uri: str, address: str) -> tuple[str, Version]:
    """Return the id of the checkpoint at an address, for `fetch_checkpoint`, and its version.

    Raises UserError for an address of another form, a store that cannot be used, and an unknown name, alias or version.
    """
    parts = ADDRESS.fullmatch(address)
    if parts is None:
        raise UserError(
            f"a model is models:/NAME@ALIAS, models:/NAME/VERSION or a checkpoint's folder, got {address!r}"
        )
    name, alias, version = parts.groups()
    if is_missing(uri):
        raise UserError(f"no MLflow store at {uri}; run a study first, or set MLFLOW_TRACKING_URI")
    check_store(uri, prepare=False)
    model = _registered(uri, name)
    known = {str(alias): str(version) for alias, version in model.aliases.items()}
    if alias is not None and alias not in known:
        raise UserError(f"model {name!r} has no alias {alias!r}{_hint(alias, known)}")
    number = known[alias] if alias is not None else version
    try:
        found = client(uri).get_model_version(name, number)
    except MlflowException as error:
        versions = sorted((str(v.version) for v in client(uri).search_model_versions(f"name = '{name}'")), key=int)
        raise UserError(f"model {name!r} has no version {number}. Known: {', '.join(versions) or 'none'}") from error
    return str(found.source).removeprefix(SCHEME), Version(str(found.version), dict(found.tags))


def _registered(uri: str, name: str) -> RegisteredModel:
    try:
        return client(uri).get_registered_model(name)
    except MlflowException as error:
        names = [model.name for model in client(uri).search_registered_models()]
        where = f"no registered model {name!r} in {redact(uri)}"
        raise UserError(f"{where}{_hint(name, names)}") from error


def _hint(word: str, known: Iterable[str]) -> str:
    names = sorted(known)
    return did_you_mean(word, names) if names else "; there is none yet: run a study first"
