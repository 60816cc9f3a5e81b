"""What finished trials left in the store, found again by fingerprint: a checkpoint to score, or counts as they are.

A trial run keeps its files under `trial/`. The tags `ablation.model` (its checkpoint's id) and `ablation.evaluation` (the
fingerprint of its counts) are set last, so that a run that has one has the files, too.
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
NEWEST = 1000  # trial runs that an explanation looks at


@dataclass(frozen=True)
class Earlier:
    """A trial that was trained before, and what it was trained from."""

    run_id: str
    study: str
    arm: str
    seed: int
    inputs: dict[str, Any]


def keep(uri: str, run_id: str, folder: Path, tags: Mapping[str, str]) -> None:
    """Store a trial's files with its run, then set the tags that make it one to be found."""
    client(uri).log_artifacts(run_id, str(folder), FOLDER)
    client(uri).log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def announce(uri: str, run_id: str, fingerprint: str, inputs: Mapping[str, Any]) -> None:
    """Say on a trial run what it comes to, and what from."""
    tags = {FINGERPRINT: fingerprint, INPUTS: json.dumps(inputs)}
    client(uri).log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def find_trained(uri: str, fingerprint: str) -> str | None:
    """The newest run that trained a checkpoint with this fingerprint; None if there is none."""
    return _newest(uri, f"tags.`{FINGERPRINT}` = '{fingerprint}' and tags.`{TRAINED}` != ''")


def find_scored(uri: str, evaluation: str) -> str | None:
    """The newest run whose counts have this fingerprint of an evaluation; None if there is none."""
    return _newest(uri, f"tags.`{SCORED}` = '{evaluation}'")


def fetch_files(uri: str, run_id: str, out: Path) -> None:
    """What `keep` stored, into the folder `out`."""
    with TemporaryDirectory(dir=out, prefix=".download-") as folder:
        for file in Path(client(uri).download_artifacts(run_id, FOLDER, folder)).iterdir():
            file.replace(out / file.name)


def mark_reused(uri: str, run_id: str, origin: str) -> None:
    """Say on a trial run that it was not trained again, and whose checkpoint or counts it has."""
    client(uri).set_tag(run_id, REUSED_FROM, origin)


def note_turn(uri: str, run_id: str, turn: int) -> None:
    """Say on a trial run which turn of the pipeline's loop is its, from 0."""
    client(uri).set_tag(run_id, TURN, str(turn))


def turns(uri: str, study: str, code_rev: str, opened_after: float) -> dict[int, tuple[str, int]]:
    """Turn of the loop -> arm and seed, in the one run of a study that was opened since, in seconds since 1970.

    Empty where there is none yet, or more than one, which nobody could tell apart.
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
    """The newest trials with a checkpoint, the newest first."""
    found = _search(uri, f"tags.`{TRAINED}` != '' and tags.`{INPUTS}` != ''", NEWEST)
    return [_earlier(run.info.run_id, run.data.tags) for run in found]


def _earlier(run_id: str, tags: Mapping[str, str]) -> Earlier:
    inputs = json.loads(tags[INPUTS])
    return Earlier(run_id, tags["ablation.study"], tags["ablation.arm"], int(tags["ablation.seed"]), inputs)


def _newest(uri: str, query: str) -> str | None:
    found = _search(uri, query, 1)
    return str(found[0].info.run_id) if found else None


def _search(uri: str, query: str, limit: int) -> list[Run]:
    """Runs of all studies, the newest first. A store that nobody has used has none."""
    everywhere = [experiment.experiment_id for experiment in client(uri).search_experiments(max_results=1000)]
    return list(client(uri).search_runs(everywhere, query, max_results=limit, order_by=["attributes.start_time DESC"]))
