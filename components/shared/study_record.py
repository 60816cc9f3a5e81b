"""The typed record of a study, and the tables of its trials, from what the steps left. Imports pandas."""

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.plan.families import contrasts
from ablation.plan.plan import Plan
from ablation.records import ArmRecord, CurveRecord, EarlierDesign, Study, TrialRecord
from ablation.results import COUNTS_COLUMNS, CURVES_COLUMNS
from common.normalise import VERSION
from common.redact import redact
from common.source_code import sources_fingerprint
from components.shared.designs import looks_record, other_designs
from components.shared.image import STEP_IMAGE
from components.shared.measurements import measured_once
from components.shared.trial import COUNTS_FILE, Status, Trial, read_history
from recipes.optional import transcription_identity
from recipes.plans import arms_of, of

PACKAGES = ("torch", "torchaudio", "numpy", "scipy", "jiwer", "rapidfuzz", "kfp", "mlflow")


def study_of(
    plan: Plan, item: Trial, statuses: Sequence[Status], corpus: Mapping[str, Any], tracking_uri: str, code_rev: str
) -> Study:
    """Return the record of a study whose trials have ended.

    `item` is any trial of the study, `statuses` are those of all trials in the plan's order, `corpus` is the corpus's summary.
    """
    arms = arms_of(plan)
    planned = contrasts(plan, arms, of(plan).catalogue)
    return Study(
        study=plan.study,
        question=plan.question,
        reasoning=plan.reasoning,
        readings=[str(reading) for reading in plan.readings],
        preset=plan.preset,
        corpus=dict(corpus),
        seeds=list(plan.seeds),
        conditions=plan.condition_names(),
        metrics=list(plan.metrics),
        margin_points=plan.margin_points,
        normalise=plan.normalise,
        normalise_version=VERSION,
        baseline=arms[0].arm,
        settings=arms[0].settings,
        recipe=of(plan).name,
        curves=[CurveRecord.model_validate(asdict(curve)) for curve in of(plan).curves],
        arms=[ArmRecord.model_validate(asdict(arm)) for arm in arms],
        contrasts=planned,
        max_failed_trials=plan.max_failed_trials,
        hygiene=measured_once(of(plan), arms, tracking_uri, item.experiment_id, item.study_run_id),
        trials=[TrialRecord.model_validate(asdict(status)) for status in statuses],
        provenance=_provenance(code_rev, plan.noise, transcription_identity(of(plan), arms[0].settings)),
        mlflow={
            "tracking_uri": redact(tracking_uri),
            "experiment_id": item.experiment_id,
            "study_run_id": item.study_run_id,
            "url": _url(tracking_uri, item),
        },
        looks=looks_record(plan, arms, planned),
        earlier_designs=_other_designs(plan, item, tracking_uri),
        created=datetime.fromtimestamp(item.opened, UTC).isoformat(timespec="seconds"),
        wall_seconds=_wall_seconds(item.opened, statuses),
    )


def _other_designs(plan: Plan, item: Trial, tracking_uri: str) -> list[EarlierDesign]:
    """Return the earlier designs that differ from the plan's; [] if MLflow does not give them, so that there is a report."""
    from components.shared.history import attempt
    from tracking.designs import earlier_designs

    found: list[EarlierDesign] = []
    attempt(
        lambda: found.extend(other_designs(plan, earlier_designs(tracking_uri, item.experiment_id, item.study_run_id)))
    )
    return found


def counts_of(folders: Sequence[Path]) -> pd.DataFrame:
    """Return the counts of all finished trials in one table."""
    tables = [pd.read_parquet(folder / COUNTS_FILE) for folder in folders if (folder / COUNTS_FILE).is_file()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COUNTS_COLUMNS)


def curves_of(folders: Sequence[Path]) -> pd.DataFrame:
    """Return the curves of all trials, including failed ones, in long form."""
    rows = [
        (status.arm, status.seed, step, metric, value)
        for folder in folders
        for status in [Status.read(folder)]
        for step, metrics in read_history(folder)
        for metric, value in metrics.items()
    ]
    return pd.DataFrame(rows, columns=CURVES_COLUMNS)


def _wall_seconds(opened: float, statuses: Sequence[Status]) -> dict[str, float]:
    """Return the wall time of each stage. Trials run concurrently, so theirs is less than the sum over trials."""
    first = min((status.started for status in statuses if status.started), default=opened)
    last = max((status.ended for status in statuses if status.ended), default=first)
    return {"corpus": first - opened, "trials": last - first, "comparison": time.time() - last}


def _provenance(code_rev: str, noise: Mapping[str, str], transcription: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the results depend on besides the plan.

    `image` is the image of this step, as the process that started it says: a container cannot know its own digest.
    `scoring` names the code and the recorded noise that decide whether the WERs of another study can be compared.
    """
    from common.content import content
    from tracking.fingerprint import scoring_code

    return {
        "git_revision": code_rev,
        "sources": sources_fingerprint()[:16],
        "image": os.environ.get(STEP_IMAGE) or "none, run from source",
        "scoring": {
            "code": scoring_code(transcription),
            "noise": {kind: content(noise[kind]) for kind in sorted(noise)},
        },
        "versions": {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
    }


def _url(tracking_uri: str, item: Trial) -> str | None:
    """Return the address of the study in MLflow's web pages; None for a database, which has none until `ablate ui` runs."""
    from tracking.view import deep_link

    if not tracking_uri.startswith(("http://", "https://")):
        return None
    return deep_link(redact(tracking_uri), item.experiment_id, item.study_run_id)
