"""Metrics as MLflow accepts them: their names, and at most 1000 of them in a request."""

import re
from collections.abc import Mapping, Sequence

from mlflow.entities import Metric, RunTag

from tracking.store import client

BATCH = 1000  # metrics and tags per request: MLflow's own limit

FORBIDDEN = re.compile(r"[^A-Za-z0-9_/.\- :]")
LONGEST = 250  # MLflow's limit
NOT_PARTS = ("", ".", "..")  # MLflow takes names for paths, and refuses those that are not in their shortest form


def metric_name(name: str) -> str:
    """Return a name without what MLflow does not accept in names of metrics, the same for the same name."""
    parts = [part for part in FORBIDDEN.sub("_", name).split("/") if part not in NOT_PARTS]
    return "/".join(parts)[:LONGEST].rstrip("/") or "_"


def named_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics under names that MLflow accepts. Of two that would have the same name, the second gets a number."""
    found: dict[str, float] = {}
    for name, value in metrics.items():
        base, number = metric_name(name), 2
        chosen = base
        while chosen in found:
            chosen = f"{base[: LONGEST - 5]} {number}"
            number += 1
        found[chosen] = value
    return found


def log_metrics(uri: str, run_id: str, metrics: Sequence[Metric], tags: Sequence[RunTag] = ()) -> None:
    """Log metrics in as few requests as MLflow allows, and the tags with the last of them."""
    batches = [list(metrics[start : start + BATCH]) for start in range(0, len(metrics), BATCH)] or [[]]
    if tags and len(batches[-1]) + len(tags) > BATCH:
        batches.append([])
    for batch in batches[:-1]:
        client(uri).log_batch(run_id, metrics=batch)
    client(uri).log_batch(run_id, metrics=batches[-1], tags=list(tags))
