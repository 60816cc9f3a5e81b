"""The champion of a registered model: promotion with its evidence, and rollback. An alias moves in one request."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.exceptions import MlflowException

from common.checksums import Damaged, fault
from common.errors import Unavailable, UserError
from common.redact import redact
from tracking.reuse import Stored
from tracking.store import client

CHAMPION = "champion"
EVIDENCE, PREVIOUS, ROLLED_BACK = "evidence", "previous_champion", "rolled_back_to"
STUDY_RUN, SEEDS = "study_run", "seeds"


@dataclass(frozen=True)
class Version:
    """A version of a registered model, with its tags."""

    version: str
    tags: Mapping[str, str]


def champion(uri: str, name: str) -> Version | None:
    """Return the current champion; None if there is none."""
    try:
        found = client(uri).get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return Version(str(found.version), dict(found.tags))


def promote(uri: str, name: str, version: str, evidence: str) -> None:
    """Make a version the champion. The evidence and the replaced version become tags before the alias moves."""
    before = champion(uri, name)
    if before is not None and before.version != version:
        client(uri).set_model_version_tag(name, version, PREVIOUS, before.version)
    client(uri).set_model_version_tag(name, version, EVIDENCE, evidence)
    client(uri).set_registered_model_alias(name, CHAMPION, version)


def rest_on(uri: str, name: str, version: str, study_run_id: str, seeds: int) -> None:
    """Tag a version with the study whose word errors represent its arm, and with that study's number of seeds."""
    for key, value in ((STUDY_RUN, study_run_id), (SEEDS, str(seeds))):
        client(uri).set_model_version_tag(name, version, key, value)


def rollback(uri: str, name: str) -> tuple[Version, Version]:
    """Move the alias back to the previous champion. Return the version that lost it and the version that has it now.

    Raises UserError if there is no champion, or no previous one.
    """
    now = champion(uri, name)
    if now is None:
        raise UserError(f"a rollback needs a champion, and {name!r} has none; run a study first")
    earlier = before(uri, name, now)
    if earlier is None:
        raise UserError(f"version {now.version} is the first champion of {name!r}: there is none to go back to")
    client(uri).set_model_version_tag(name, now.version, ROLLED_BACK, earlier.version)
    client(uri).set_registered_model_alias(name, CHAMPION, earlier.version)
    return now, earlier


def before(uri: str, name: str, version: Version) -> Version | None:
    """Return the champion that a version replaced; None if it was the first."""
    earlier = version.tags.get(PREVIOUS)
    return None if earlier is None else Version(earlier, dict(client(uri).get_model_version(name, earlier).tags))


def newest_study(uri: str, study: str, code_rev: str) -> str | None:
    """Return the id of the newest study run of that name and code revision; None if there is none."""
    experiment = client(uri).get_experiment_by_name(study)
    if experiment is None:
        return None
    query = f"tags.`ablation.role` = 'study' and params.code_rev = '{code_rev}'"
    order = ["attributes.start_time DESC"]
    found = client(uri).search_runs([experiment.experiment_id], query, max_results=1, order_by=order)
    return str(found[0].info.run_id) if found else None


def fetch_study(uri: str, study_run_id: str, out: Path) -> None:
    """Download the files of a study (study.json, counts, curves, report) from its run into the folder `out`.

    They are compared with the checksums in the run's tags; studies of earlier versions have none. Raises Damaged for a file that is
    missing or differs and for a run that is gone, and Unavailable if MLflow cannot give them now. `out` then has none of them.
    """
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=".download-") as folder:
        try:
            tags = client(uri).get_run(study_run_id).data.tags
            got = _downloaded(uri, study_run_id, Path(folder))
        except (MlflowException, OSError) as error:
            raise _not_fetched(study_run_id, error) from error
        found = fault(Path(folder), Stored(study_run_id, tags, {}).sums())
        if found or not got:
            rule = "the files of a study have the SHA-256 that they were stored with"
            raise Damaged(f"{rule}; of run {study_run_id} in MLflow, {found or 'all are missing'}; run the study again")
        for file in got:
            file.replace(out / file.name)


def _not_fetched(study_run_id: str, error: Exception) -> UserError:
    if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
        return Damaged(f"run {study_run_id} of the study no longer exists in MLflow; run the study again")
    said = " ".join(redact(str(error)).split())[:300]
    return Unavailable(
        f"the files of a study are kept with its run in MLflow, and those of run {study_run_id} cannot be fetched: {said}; "
        "try again later, or run the study again"
    )


def _downloaded(uri: str, study_run_id: str, folder: Path) -> list[Path]:
    """Download a study's files, without the folders that only the steps of the pipeline need."""
    items = [item for item in client(uri).list_artifacts(study_run_id) if not item.is_dir]
    return [Path(client(uri).download_artifacts(study_run_id, item.path, str(folder))) for item in items]
