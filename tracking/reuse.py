"""Results of earlier trials in the store, found by fingerprint: a checkpoint to score, or error counts to reuse.

A trial run keeps its files under `trial/`. The tags `ablation.model` (the id of its checkpoint) and `ablation.evaluation` (the
fingerprint of its error counts) are set last, so that a run with one of these tags also has the files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import Run, RunTag

from tracking.store import client
from tracking.studies import trial_runs

FOLDER = "trial"
TRAINED, SCORED, INPUTS, FINGERPRINT = (
    "ablation.model",
    "ablation.evaluation",
    "ablation.inputs",
    "ablation.fingerprint",
)
REUSED_FROM = "ablation.reused_from"
TURN = "ablation.turn"
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


def note_turn(uri: str, run_id: str, turn: int) -> None:
    """Tag a trial run with its iteration of the pipeline's loop, counted from 0."""
    client(uri).set_tag(run_id, TURN, str(turn))


def turns(uri: str, study: str, code_rev: str, opened_after: float) -> dict[int, tuple[str, int]]:
    """Return iteration of the loop -> (arm, seed) for the only run of a study that was opened after `opened_after`.

    `opened_after` is in seconds since 1970. Empty if there is no such run yet, or if there are several, which cannot be told apart.
    """
    experiment = client(uri).get_experiment_by_name(study)
    if experiment is None:
        return {}
    query = f"tags.`ablation.role` = 'study' and params.code_rev = '{code_rev}'"
    since = f"attributes.start_time >= {int(1000 * opened_after)}"
    found = client(uri).search_runs([experiment.experiment_id], f"{query} and {since}")
    if len(found) != 1:
        return {}
    runs = trial_runs(uri, experiment.experiment_id, found[0].info.run_id)
    tags = [run.data.tags for run in runs if TURN in run.data.tags]
    return {int(tag[TURN]): (tag["ablation.arm"], int(tag["ablation.seed"])) for tag in tags}


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
    everywhere = [experiment.experiment_id for experiment in client(uri).search_experiments(max_results=1000)]
    return list(client(uri).search_runs(everywhere, query, max_results=limit, order_by=["attributes.start_time DESC"]))
