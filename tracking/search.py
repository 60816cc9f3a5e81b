"""Searches that read every page. A server returns at most `PAGE` items per answer, and a new store has no experiments."""

from collections.abc import Callable, Sequence
from typing import Any

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from tracking.store import client

PAGE = 1000


def all_pages(search: Callable[..., Any], **arguments: Any) -> list[Any]:
    """Return the items of all pages of a search of MLflow's client, which takes `max_results` and `page_token`."""
    found: list[Any] = []
    token: str | None = None
    while True:
        page = search(max_results=PAGE, page_token=token, **arguments)
        found += page
        token = page.token
        if not token:
            return found


def all_experiments(uri: str) -> list[str]:
    """Return the ids of all experiments that are not deleted, the newest first."""
    return [str(experiment.experiment_id) for experiment in all_pages(client(uri).search_experiments)]


def search_runs(uri: str, experiments: Sequence[str], query: str) -> list[Run]:
    """Return all runs of the experiments that match, in the order of their start. No request is made without experiments."""
    if not experiments:
        return []
    return all_pages(
        client(uri).search_runs,
        experiment_ids=list(experiments),
        filter_string=query,
        order_by=["attributes.start_time ASC"],  # never changes, so no run moves to another page meanwhile
    )


def newest_runs(uri: str, experiments: Sequence[str], query: str, limit: int) -> list[Run]:
    """Return the newest runs of the experiments that match, the newest first, at most `limit` (and at most `PAGE`)."""
    if not experiments:
        return []
    order = ["attributes.start_time DESC"]
    return list(client(uri).search_runs(list(experiments), query, max_results=limit, order_by=order))


def versions_of(uri: str, name: str, fingerprint: str) -> list[ModelVersion]:
    """Return the versions of a registered model with this fingerprint, the oldest first."""
    query = f"name = '{name}' and tags.fingerprint = '{fingerprint}'"
    found = all_pages(client(uri).search_model_versions, filter_string=query)
    return sorted(found, key=lambda version: int(version.version))
