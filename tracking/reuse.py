"""Results of earlier trials in the store, found by fingerprint: a checkpoint to score, or error counts to reuse.

A trial run keeps its files under `trial/`, and their SHA-256 as the tag `ablation.sha256`. The tags `ablation.model` (the id of its
checkpoint) and `ablation.evaluation` (the fingerprint of its error counts) are set last, so that a run with one of these tags also
has the files. So is `ablation.failed`, on a run whose trial failed and which keeps its curves.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import Run, RunTag

from common.checksums import Damaged, fault, sums_of
from tracking import local_copies
from tracking.downloads import download, place_of
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
SUMS, NEXT_SUMS = "ablation.sha256", "ablation.sha256.next"
CANDIDATES = 3  # runs with the same fingerprint that are tried, the newest first
NEWEST = 1000  # trial runs that an explanation reads


@dataclass(frozen=True)
class Earlier:
    """A trial that was trained before, with the inputs of its fingerprint."""

    run_id: str
    study: str
    arm: str
    seed: int
    inputs: dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """A run with the files of a trial, which are at `place`. `metrics` are the last values of the run's metrics."""

    run_id: str
    place: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]

    def sums(self) -> dict[str, set[str]]:
        """Return file -> the SHA-256 that it may have; {} for a run of an earlier version. Raises Damaged.

        There are two if the run was killed while it replaced its files.
        """
        try:
            now, following = (json.loads(self.tags.get(tag, "{}")) for tag in (SUMS, NEXT_SUMS))
            return {name: {digest, following.get(name, digest)} for name, digest in now.items()}
        except (ValueError, AttributeError, TypeError) as error:
            raise Damaged(f"the tag {SUMS} of run {self.run_id} in MLflow cannot be read") from error


def keep(uri: str, run_id: str, folder: Path, tags: Mapping[str, str], *, again: bool = False) -> None:
    """Store a trial's files with its run and their checksums, then set the tags by which later studies find it.

    `again` says that the run may have files of an earlier call, which these replace.
    """
    files = trial_files(folder)
    sums = sums_tag(files)
    if again:  # a kill before the last request then leaves files that are known
        client(uri).set_tag(run_id, NEXT_SUMS, sums)
    local_copies.put(run_id, files)
    client(uri).log_artifacts(run_id, str(folder), FOLDER)
    client(uri).log_batch(run_id, tags=[RunTag(key, value) for key, value in {SUMS: sums, **tags}.items()])


def trial_files(folder: Path) -> list[Path]:
    """Return the files of a trial's folder that are stored with its run."""
    return sorted(file for file in folder.iterdir() if file.is_file())


def sums_tag(files: Iterable[Path]) -> str:
    """Return the value of the tag `ablation.sha256` of a run with these files."""
    return json.dumps(sums_of(files))


def announcement(fingerprint: str, inputs: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a trial run that say its fingerprint and the inputs of it."""
    return {FINGERPRINT: fingerprint, INPUTS: json.dumps(inputs)}


def announce(uri: str, run_id: str, tags: Mapping[str, str]) -> None:
    """Set the tags of `announcement` on a trial run."""
    client(uri).log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])


def find_trained(uri: str, fingerprint: str) -> list[Stored]:
    """Return the newest runs that trained a checkpoint with this fingerprint, at most `CANDIDATES`."""
    return _newest(uri, f"tags.`{FINGERPRINT}` = '{fingerprint}' and tags.`{TRAINED}` != ''")


def find_scored(uri: str, evaluation: str) -> list[Stored]:
    """Return the newest runs whose error counts have this fingerprint of an evaluation, at most `CANDIDATES`."""
    return _newest(uri, f"tags.`{SCORED}` = '{evaluation}'")


def stored(run: Run) -> Stored:
    """Return what a run says of its files."""
    return Stored(str(run.info.run_id), place_of(run, FOLDER), run.data.tags, run.data.metrics)


def fetch_files(
    uri: str, run_id: str, out: Path, known: Stored | None = None, names: Collection[str] | None = None
) -> Stored:
    """Download the files that `keep` stored into the folder `out`, and compare them with their checksums.

    `known` saves the request for the run. Of several files, only those of `names` are looked at. Files of an earlier version, which
    have no checksums, are not compared. Raises Damaged for a file that is missing or differs, and what MLflow raises if it cannot
    give the files; `out` is then unchanged.
    """
    known = known or stored(client(uri).get_run(run_id))
    sums = {name: allowed for name, allowed in known.sums().items() if names is None or name in names}
    with TemporaryDirectory(dir=out, prefix=".download-") as folder:
        got = Path(folder)
        if not local_copies.take(run_id, sums, got):
            got = download(uri, known.place, got)
            if found := fault(got, sums):
                raise Damaged(f"of run {run_id} in MLflow, {found}")
        for file in got.iterdir():
            if file.name in sums or (not known.sums() and (names is None or file.name in names)):
                file.replace(out / file.name)
    return known


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


def _newest(uri: str, query: str) -> list[Stored]:
    return [stored(run) for run in _search(uri, query, CANDIDATES)]


def _search(uri: str, query: str, limit: int) -> list[Run]:
    """Return runs of all studies, the newest first. A new store has none."""
    return newest_runs(uri, all_experiments(uri), query, limit)
