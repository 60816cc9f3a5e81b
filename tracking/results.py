"""The contents of a study's runs: its inputs, and the outcome of every trial. Steps hand each other results only through these."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities import Run

from common.checksums import Damaged, fault, sums_of
from tracking import local_copies
from tracking.downloads import download, place_of
from tracking.reuse import FAILED, REASON, SCORED, SUMS, Stored, fetch_files, stored
from tracking.runs import trial_runs
from tracking.search import all_experiments, search_runs
from tracking.store import client
from tracking.studies import KFP_RUN, StudyRuns

INPUTS = "inputs"  # the folder of the study's run with the files of `keep_input`
REPORT = "study.json"  # the last file of a study's report


@dataclass(frozen=True)
class Outcome:
    """The state of a trial's run.

    `status` is MLflow's. `stored` says whether the run has the trial's files, and `known` what it says of them.
    """

    run_id: str
    arm: str
    seed: int
    status: str
    reason: str | None
    stored: bool
    known: Stored


def keep_input(uri: str, study_run_id: str, name: str, text: str) -> None:
    """Store a text, which later steps need, with the study's run, and its checksum as a tag."""
    with TemporaryDirectory(prefix="ablate-") as folder:
        file = Path(folder) / name
        file.write_text(text, encoding="utf-8")
        local_copies.put(study_run_id, [file])
        client(uri).log_artifact(study_run_id, str(file), INPUTS)
        client(uri).set_tag(study_run_id, f"{SUMS}.{name}", sums_of([file])[name])


def read_input(uri: str, study_run_id: str, name: str) -> str:
    """Return a text that `keep_input` stored. Raises Damaged if it differs, and MlflowException if there is none."""
    run = client(uri).get_run(study_run_id)
    known = run.data.tags.get(f"{SUMS}.{name}")
    sums = {name: known} if known else {}
    with TemporaryDirectory(prefix="ablate-") as folder:
        path = Path(folder) / name
        if not local_copies.take(study_run_id, sums, Path(folder)):
            path = download(uri, place_of(run, f"{INPUTS}/{name}"), Path(folder))
            if found := fault(path.parent, sums):
                raise Damaged(f"of the study's run {study_run_id} in MLflow, {found}; run the study again")
        return path.read_text(encoding="utf-8")


def find_studies(uri: str, kfp_run: str) -> list[StudyRuns]:
    """Return the studies that a run of the pipeline has opened, without their trials, the newest first.

    There are several if the pod of the first step was lost and started again.
    """
    found = search_runs(uri, all_experiments(uri), f"tags.`{KFP_RUN}` = '{kfp_run}'")
    return [StudyRuns(run.info.experiment_id, run.info.run_id, ()) for run in reversed(found)]


def study_status(uri: str, study_run_id: str) -> str:
    """Return MLflow's status of the study's run."""
    return str(client(uri).get_run(study_run_id).info.status)


def has_report(uri: str, study_run_id: str) -> bool:
    """Return whether the comparison has stored its report with the study's run."""
    return any(item.path == REPORT for item in client(uri).list_artifacts(study_run_id))


def outcomes(uri: str, experiment_id: str, study_run_id: str) -> dict[str, Outcome]:
    """Return run id -> outcome of every trial of a study, by pages of a search and not by one request per trial."""
    return {run.info.run_id: _outcome(run) for run in trial_runs(uri, experiment_id, study_run_id)}


def _outcome(run: Run) -> Outcome:
    tags = run.data.tags
    return Outcome(
        run.info.run_id,
        tags["ablation.arm"],
        int(tags["ablation.seed"]),
        run.info.status,
        tags.get(REASON),
        SCORED in tags or FAILED in tags,
        stored(run),
    )


def fetch_result(uri: str, outcome: Outcome, out: Path) -> Stored:
    """Download a trial's files into the folder `out` (see `fetch_files`). Raises MlflowException if the store cannot give them."""
    out.mkdir(parents=True, exist_ok=True)
    return fetch_files(uri, outcome.run_id, out, outcome.known)
