"""Searches of runs that read every page. A server returns at most `PAGE` runs per answer, and a new store has no experiments."""

from collections.abc import Sequence

from mlflow.entities import Run

from tracking.store import client

PAGE = 1000


def all_experiments(uri: str) -> list[str]:
    """Return the ids of all experiments that are not deleted, the newest first."""
    found: list[str] = []
    token: str | None = None
    while True:
        page = client(uri).search_experiments(max_results=PAGE, page_token=token)
        found += [str(experiment.experiment_id) for experiment in page]
        token = page.token
        if not token:
            return found


def search_runs(uri: str, experiments: Sequence[str], query: str) -> list[Run]:
    """Return all runs of the experiments that match, in the order of their start. No request is made without experiments."""
    found: list[Run] = []
    token: str | None = None
    while experiments:
        page = client(uri).search_runs(
            list(experiments),
            query,
            max_results=PAGE,
            order_by=["attributes.start_time ASC"],  # never changes, so no run moves to another page meanwhile
            page_token=token,
        )
        found += page
        token = page.token
        if not token:
            break
    return found
