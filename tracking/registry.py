"""The champion of a registered model: promotion with its evidence, and rollback. An alias moves in one request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from common.checksums import Damaged, fault
from common.errors import Unavailable, UserError
from common.redact import redact
from tracking.creating import patiently
from tracking.downloads import download, place_of
from tracking.reuse import Stored
from tracking.store import client
from tracking.timeouts import use_short_timeouts

CHAMPION = "champion"
EVIDENCE, PREVIOUS, ROLLED_BACK = "evidence", "previous_champion", "rolled_back_to"
STUDY_RUN, SEEDS = "study_run", "seeds"
OURS = ("arm", "fingerprint")  # tags that every version of a study has


@dataclass(frozen=True)
class Version:
    """A version of a registered model, with its tags."""

    version: str
    tags: Mapping[str, str]


def champion(uri: str, name: str) -> Version | None:
    """Return the current champion; None if there is none, as after its version was deleted.

    Raises UserError if the alias points at a version that no study has registered.
    """
    found = _version(lambda: client(uri).get_model_version_by_alias(name, CHAMPION))
    if found is not None and not _is_ours(found):
        raise UserError(
            f"the alias {CHAMPION!r} of model {name!r} points at version {found.version}, which no study has registered: "
            "it stays there; remove that alias in MLflow, or rename the study"
        )
    return found


def _version(get: Callable[[], ModelVersion]) -> Version | None:
    """Return the version that a request finds; None if it was deleted or never existed."""
    try:
        found = get()
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    return Version(str(found.version), dict(found.tags))


def _is_ours(version: Version) -> bool:
    return all(tag in version.tags for tag in OURS)


def point(uri: str, registered: RegisteredModel, alias: str, version: str) -> None:
    """Point an alias of a registered model at a version, unless it points at one that no study has registered."""
    name, held = registered.name, registered.aliases.get(alias)
    if held is not None and str(held) == version:
        return
    holder = _version(lambda: client(uri).get_model_version(name, str(held))) if held is not None else None
    if holder is not None and not _is_ours(holder):
        why = f"points at version {held}, which no study has registered, and stays there"
        print(f"the alias {alias!r} of model {name!r} {why}", flush=True)
        return
    patiently(uri, lambda: client(uri).set_registered_model_alias(name, alias, version))


def promote(uri: str, name: str, version: str, evidence: str) -> None:
    """Make a version the champion. The evidence and the replaced version become tags before the alias moves."""
    before = champion(uri, name)
    if before is not None and before.version != version:
        _tag(uri, name, version, PREVIOUS, before.version)
    _tag(uri, name, version, EVIDENCE, evidence)
    patiently(uri, lambda: client(uri).set_registered_model_alias(name, CHAMPION, version))


def rest_on(uri: str, name: str, version: str, study_run_id: str, seeds: int) -> None:
    """Tag a version with the study whose word errors represent its arm, and with that study's number of seeds."""
    for key, value in ((STUDY_RUN, study_run_id), (SEEDS, str(seeds))):
        _tag(uri, name, version, key, value)


def _tag(uri: str, name: str, version: str, key: str, value: str) -> None:
    patiently(uri, lambda: client(uri).set_model_version_tag(name, version, key, value))


def rollback(uri: str, name: str) -> tuple[Version, Version]:
    """Move the alias back to the previous champion. Return the version that lost it and the version that has it now.

    Raises UserError if there is no champion, no previous one, or if the previous one's version was deleted.
    """
    now = champion(uri, name)
    if now is None:
        raise UserError(f"a rollback needs a champion, and {name!r} has none; run a study first")
    if PREVIOUS not in now.tags:
        raise UserError(f"version {now.version} is the first champion of {name!r}: there is none to go back to")
    earlier = before(uri, name, now)
    if earlier is None:
        raise UserError(
            f"the champion of {name!r} before version {now.version} was version {now.tags[PREVIOUS]}, which was deleted: "
            "there is none to go back to"
        )
    client(uri).set_model_version_tag(name, now.version, ROLLED_BACK, earlier.version)
    client(uri).set_registered_model_alias(name, CHAMPION, earlier.version)
    return now, earlier


def before(uri: str, name: str, version: Version) -> Version | None:
    """Return the champion that a version replaced; None if it was the first, or if its version was deleted.

    MLflow forgets the tags of a deleted version, and with them the champions before it.
    """
    earlier = version.tags.get(PREVIOUS)
    return None if earlier is None else _version(lambda: client(uri).get_model_version(name, earlier))


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

    Folders, which only the steps of the pipeline need, are left out.

    They are compared with the checksums in the run's tags; studies of earlier versions have none. Raises Damaged for a file that is
    missing or differs and for a run that is gone, and Unavailable if MLflow cannot give them now. `out` then has none of them.
    """
    use_short_timeouts()
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=".download-") as folder:
        try:
            run = client(uri).get_run(study_run_id)
            files = [item.path for item in client(uri).list_artifacts(study_run_id) if not item.is_dir]
            got = [download(uri, place_of(run, path), Path(folder)) for path in files]
        except (MlflowException, OSError) as error:
            raise _not_fetched(study_run_id, error) from error
        found = fault(Path(folder), Stored(study_run_id, "", run.data.tags, {}).sums())
        if found or not got:
            rule = "the files of a study have the SHA-256 that they were stored with"
            raise Damaged(f"{rule}; of run {study_run_id} in MLflow, {found or 'all are missing'}; run the study again")
        for file in got:
            file.replace(out / file.name)


def _not_fetched(study_run_id: str, error: Exception) -> UserError:
    if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":  # of `get_run`
        return Damaged(
            f"run {study_run_id} of the study no longer exists in MLflow; run the study again, and if it was the champion's, "
            "run `ablate champion NAME --rollback` or remove that alias in MLflow"
        )
    said = " ".join(redact(str(error)).split())[:300]
    return Unavailable(
        f"the files of a study are kept with its run in MLflow, and those of run {study_run_id} cannot be fetched: {said}; "
        "try again later, or run the study again"
    )
