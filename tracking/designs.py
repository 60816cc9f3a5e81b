"""The designs of studies, as tags of their runs: when seeds and looks were fixed, and which other designs came before."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mlflow.entities import Run

from tracking.reuse import SUMS
from tracking.search import search_runs
from tracking.store import client

DESIGN = "ablation.design"
STUDIES = "tags.`ablation.role` = 'study'"


def record_design(uri: str, study_run_id: str, design: Mapping[str, Any]) -> None:
    """Fix the design of a study when it opens. `design` has `comparison`, a hash of what is compared, and the design itself."""
    client(uri).set_tag(study_run_id, DESIGN, json.dumps(design, sort_keys=True))


def earlier_designs(uri: str, experiment_id: str, study_run_id: str) -> list[dict[str, Any]]:
    """Return the designs of earlier runs of the same comparison that have a report, the oldest first; `opened` is their date.

    Runs without a recorded design, as of earlier versions, are left out.
    """
    runs = search_runs(uri, [experiment_id], STUDIES)
    mine = next(run for run in runs if run.info.run_id == study_run_id)
    comparison = _design(mine).get("comparison")
    return [
        {**_design(run), "opened": _date(run)}
        for run in runs
        if run.info.start_time < mine.info.start_time and _is_reported(run, comparison)
    ]


def newest_of_design(uri: str, study: str, design: Mapping[str, Any], code_rev: str) -> str | None:
    """Return the id of the newest run with a report of this comparison, looks, margin and revision; None if there is none."""
    experiment = client(uri).get_experiment_by_name(study)
    if experiment is None:
        return None
    keys = ("looks", "margin_points")
    runs = [
        run
        for run in search_runs(uri, [experiment.experiment_id], STUDIES)
        if _is_reported(run, design["comparison"])
        and run.data.params.get("code_rev") == code_rev
        and all(_design(run).get(key) == design[key] for key in keys)
    ]
    return str(runs[-1].info.run_id) if runs else None


def _is_reported(run: Run, comparison: str | None) -> bool:
    return bool(comparison) and SUMS in run.data.tags and _design(run).get("comparison") == comparison


def _date(run: Run) -> str:
    return datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(sep=" ", timespec="minutes")


def _design(run: Run) -> dict[str, Any]:
    return dict(json.loads(run.data.tags.get(DESIGN, "{}")))
