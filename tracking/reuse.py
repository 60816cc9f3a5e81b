"""Results of earlier trials in the store, found by fingerprint: a checkpoint to score, or error counts to reuse.

A trial run keeps its files under `trial/`. The tags `ablation.model` (the id of its checkpoint) and `ablation.evaluation` (the
fingerprint of its error counts) are set last, so that a run with one of these tags also has the files. So is `ablation.failed`, on
a run whose trial failed and which keeps its curves.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import Run, RunTag

from tracking.search import all_experiments, newest_runs
from tracking.store import client

FOLDER = "trial"
TRAINED, SCORED, INPUTS, FINGERPRINT = (
    "ablation.model",
    "ablation.evaluation",
    "ablation.inputs",
    "ablation.fingerprint",
)
REUSED_FROM = "ablation.reused_from"
REASON, FAILED = "ablation.reason", "ablation.failed"
NEWEST = 1000  # trial runs that an explanation reads


@dataclass(frozen=True)
class Earlier:
    """A trial that was trained before, with the inputs of its fingerprint."""

    run_id: str
    study: str
    arm: str
    seed: int
    inputs: dict[str, Any]


def keep(uri: str, run_id: str, folder: Path, tags: Mapping[str, str]) -> None:
    """Store a trial's files with its run, then set the tags by which later studies find it."""
    client(uri).log_artifacts(run_id, str(folder), FOLDER)
    client(uri).log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def announce(uri: str, run_id: str, fingerprint: str, inputs: Mapping[str, Any]) -> None:
    """Tag a trial run with its fingerprint and the inputs of it."""
    tags = {FINGERPRINT: fingerprint, INPUTS: json.dumps(inputs)}
    client(uri).log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def find_trained(uri: str, fingerprint: str) -> str | None:
    """Return the newest run that trained a checkpoint with this fingerprint; None if there is none."""
    return _newest(uri, f"tags.`{FINGERPRINT}` = '{fingerprint}' and tags.`{TRAINED}` != ''")


def find_scored(uri: str, evaluation: str) -> str | None:
    """Return the newest run whose error counts have this fingerprint of an evaluation; None if there is none."""
    return _newest(uri, f"tags.`{SCORED}` = '{evaluation}'")


def fetch_files(uri: str, run_id: str, out: Path) -> None:
    """Download the files that `keep` stored into the folder `out`."""
    with TemporaryDirectory(dir=out, prefix=".download-") as folder:
        for file in Path(client(uri).download_artifacts(run_id, FOLDER, folder)).iterdir():
            file.replace(out / file.name)


def mark_reused(uri: str, run_id: str, origin: str) -> None:
    """Tag a trial run that was not trained again with the run whose checkpoint or error counts it uses."""
    client(uri).set_tag(run_id, REUSED_FROM, origin)


def trained_before(uri: str) -> list[Earlier]:
    """Return the trials with a checkpoint, at most `NEWEST`, the newest first."""
    found = _search(uri, f"tags.`{TRAINED}` != '' and tags.`{INPUTS}` != ''", NEWEST)
    return [_earlier(run.info.run_id, run.data.tags) for run in found]


def _earlier(run_id: str, tags: Mapping[str, str]) -> Earlier:
    inputs = json.loads(tags[INPUTS])
    return Earlier(run_id, tags["ablation.study"], tags["ablation.arm"], int(tags["ablation.seed"]), inputs)


def _newest(uri: str, query: str) -> str | None:
    found = _search(uri, query, 1)
    return str(found[0].info.run_id) if found else None


def _search(uri: str, query: str, limit: int) -> list[Run]:
    """Return runs of all studies, the newest first. A new store has none."""
    return newest_runs(uri, all_experiments(uri), query, limit)
